import { MockActivityEnvironment } from '@temporalio/testing';
import { ActivityCancelledError, ActivityNotFoundError, type Client } from '@temporalio/client';
import { DefaultLogger } from '@temporalio/worker';
import { signal, tellProgress } from '../../activities/activity-context';
import { attempt } from '../../activities/attempt';
import { Tenure } from '../../activities/tenure';
import { mayWrite } from '../../src/kubernetes/write-guard';

/** A server that answers as it is told, and a clock that goes as it is told. */
function world() {
  const state = { nowMs: 1_000_000, asked: 0, answer: async (): Promise<boolean> => true };
  const tenure = new Tenure(
    20_000,
    () => {
      state.asked += 1;
      return state.answer();
    },
    () => state.nowMs,
  );
  return { state, tenure };
}

test('the server is asked before the first write, and again when its answer is a quarter of the heartbeat timeout old', async () => {
  const { state, tenure } = world();
  await Promise.all([tenure.confirm(), tenure.confirm()]);
  state.nowMs += 4_999;
  await tenure.confirm();
  expect(state.asked).toBe(1);
  state.nowMs += 1;
  await tenure.confirm();
  expect(state.asked).toBe(2);
});

test('an attempt that stood still does not write once its step was given to another', async () => {
  const { state, tenure } = world();
  await tenure.confirm();
  state.nowMs += 25_000;
  state.answer = async () => false;
  await expect(tenure.confirm()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('not this attempt') as string,
  });
});

test('an attempt that stood still only for a moment goes on', async () => {
  const { state, tenure } = world();
  await tenure.confirm();
  state.nowMs += 15_000;
  await tenure.confirm();
  expect(state.asked).toBe(2);
});

test('an answer counts from when the question was sent: one that was slept through is asked for again', async () => {
  const { state, tenure } = world();
  state.answer = async () => {
    if (state.asked === 1) state.nowMs += 25_000;
    return state.asked === 1;
  };
  await expect(tenure.confirm()).rejects.toMatchObject({ message: expect.stringContaining('not this attempt') as string });
  expect(state.asked).toBe(2);
});

test('a clock that was set back is not trusted', async () => {
  const { state, tenure } = world();
  await tenure.confirm();
  state.nowMs -= 1;
  await tenure.confirm();
  expect(state.asked).toBe(2);
});

test('without an answer nothing is written, and the next write asks anew', async () => {
  const { state, tenure } = world();
  state.answer = () => Promise.reject(new Error('no route'));
  await expect(tenure.confirm()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('does not answer') as string,
    cause: { message: 'no route' },
  });
  state.answer = async () => true;
  await tenure.confirm();
});

/** Runs a step that writes, against a server that answers its heartbeats so. */
async function write(heartbeat: (token: Uint8Array, details: unknown) => Promise<void>): Promise<unknown> {
  const plainly = (_bound: unknown, act: () => Promise<unknown>): Promise<unknown> => act();
  const client = { activity: { heartbeat }, withDeadline: plainly, withAbortSignal: plainly } as unknown as Client;
  const environment = new MockActivityEnvironment({ heartbeatTimeoutMs: 20_000 }, { client, logger: new DefaultLogger('ERROR') });
  const step = attempt(async () => {
    tellProgress('writing');
    await mayWrite(signal());
    return 'written';
  });
  return environment.run(step, {}).catch((error: unknown) => error);
}

test('an attempt asks by a heartbeat that tells what its others tell, under its own token', async () => {
  const heard: unknown[] = [];
  const result = await write(async (token, details) => void heard.push(Buffer.from(token).toString(), details));
  expect(result).toMatchObject({ value: 'written' });
  expect(heard).toEqual(['test', 'writing']);
});

test("a step that the server does not know any more fails, to be retried; one that is to be cancelled is still the attempt's own", async () => {
  expect(await write(() => Promise.reject(new ActivityNotFoundError('gone')))).toMatchObject({ type: 'unavailable', nonRetryable: false });
  expect(await write(() => Promise.reject(new ActivityCancelledError('cancelled')))).toMatchObject({ value: 'written' });
});
