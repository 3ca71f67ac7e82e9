import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { signal, tellProgress, withinAttempt } from '../../activities/activity-context';
import { attempt } from '../../activities/attempt';
import { FabricError } from '../../src/errors/fabric-error';

const environment = (attemptNumber = 1): MockActivityEnvironment =>
  new MockActivityEnvironment({ attempt: attemptNumber }, { logger: new DefaultLogger('ERROR') });

test('an attempt returns the value with the number of attempts', async () => {
  expect(
    await environment(4).run(
      attempt(async (given: number) => given + 1),
      1,
    ),
  ).toEqual({ value: 2, attempts: 4 });
});

test('a failure names the peer of the input and the attempt', async () => {
  const step = attempt(async (_input: { readonly peer: { readonly name: string } }) => {
    throw new FabricError({ code: 'unready', message: 'Not yet.' });
  });
  const failure: unknown = await environment(2)
    .run(step, { peer: { name: 'west' } })
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ApplicationFailure);
  expect(failure).toMatchObject({ type: 'unready', details: [{ peer: 'west', attempts: 2 }] });
});

test('a quiet attempt goes on telling what it waits for, and stops when it ends', async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
  try {
    const env = environment();
    const heartbeats: unknown[] = [];
    env.on('heartbeat', (details: unknown) => heartbeats.push(details));
    let finish = (): void => undefined;
    const running = env.run(
      attempt(async () => {
        tellProgress('waiting for pods');
        await new Promise<void>((resolve) => (finish = resolve));
        return 'done';
      }),
      {},
    );
    await jest.advanceTimersByTimeAsync(3_000);
    expect(heartbeats).toEqual(Array.from({ length: 4 }, () => 'waiting for pods'));
    finish();
    await running;
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

test('cancellation reaches the I/O of a step and ends it as cancelled', async () => {
  const env = environment();
  const running = env.run(
    attempt(
      async () =>
        new Promise<never>((_resolve, reject) => {
          signal().addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
        }),
    ),
    {},
  );
  env.cancel();
  await expect(running).rejects.toBeInstanceOf(CancelledFailure);
});

test('a step whose time is up is stopped, even if nobody tells the worker', async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
  try {
    const env = new MockActivityEnvironment(
      {
        startToCloseTimeoutMs: 60_000,
        scheduleToCloseTimeoutMs: 90_000,
        scheduledTimestampMs: 1,
        currentAttemptScheduledTimestampMs: 45_001,
      },
      { logger: new DefaultLogger('ERROR') },
    );
    const waits: number[] = [];
    const running = env.run(
      attempt(async () => {
        // The second attempt has what the first one left.
        waits.push(withinAttempt(10_000), withinAttempt(120_000));
        await new Promise<never>((_resolve, reject) => {
          signal().addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
        });
      }),
      {},
    );
    const ended = running.catch((error: unknown) => error);
    await jest.advanceTimersByTimeAsync(44_999);
    expect(waits).toEqual([10_000, 40_000]);
    await jest.advanceTimersByTimeAsync(1);
    expect(await ended).toMatchObject({ type: 'unavailable', nonRetryable: false, message: 'The attempt did not end within 45 s.' });
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

test.each([
  { leftMs: 6_900, isLast: true },
  { leftMs: 7_100, isLast: false },
])(
  'a failure with $leftMs ms left is the last one: $isLast, as a next attempt comes after 4 s and needs 3 s',
  async ({ leftMs, isLast }) => {
    const env = new MockActivityEnvironment(
      {
        attempt: 4,
        retryPolicy: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 10_000 },
        startToCloseTimeoutMs: 60_000,
        scheduleToCloseTimeoutMs: leftMs,
        scheduledTimestampMs: 1,
        currentAttemptScheduledTimestampMs: 1,
      },
      { logger: new DefaultLogger('ERROR') },
    );
    const step = attempt(async () => {
      throw new FabricError({ code: 'unreachable', message: 'Nobody answers.' });
    });
    await expect(env.run(step, {})).rejects.toMatchObject({ type: 'unreachable', nonRetryable: isLast });
  },
);
