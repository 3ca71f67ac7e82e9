// Why a step really fails is told, also when its last attempt had no time to find out again, or met what one before had left.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowFailedError } from '@temporalio/client';
import { MockActivityEnvironment, type TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { withinAttempt } from '../../activities/activity-context';
import { attempt } from '../../activities/attempt';
import { teardownWorkflowId } from '../../src/contract/workflow-ids';
import { FabricError } from '../../src/errors/fabric-error';
import { teardownRequest } from '../../src/model/requests';
import { testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { fakeActivities } from '../workflows/fake-activities';

const REFUSED = { code: 'unreachable' as const, message: 'A policy refuses the caller.', hint: 'Mend the policy.' };

/** Runs one attempt that fails with `error`. @returns its failure, and its last heartbeat */
async function fail(
  error: () => Promise<never>,
  { heartbeatDetails, leftMs }: { readonly heartbeatDetails?: unknown; readonly leftMs: number },
): Promise<{ readonly failure: unknown; readonly beat: unknown }> {
  const info = { attempt: 5, heartbeatDetails, startToCloseTimeoutMs: leftMs, scheduleToCloseTimeoutMs: leftMs };
  const env = new MockActivityEnvironment(
    { ...info, scheduledTimestampMs: 1, currentAttemptScheduledTimestampMs: 1 },
    { logger: new DefaultLogger('ERROR') },
  );
  let beat: unknown;
  env.on('heartbeat', (details: unknown) => (beat = details));
  const failure: unknown = await env.run(attempt(error), {}).catch((thrown: unknown) => thrown);
  return { failure, beat };
}

/** Waits for something that does not come. */
async function wait(wantedMs: number): Promise<never> {
  await delay(withinAttempt(wantedMs));
  throw new FabricError({ code: 'unready', message: 'Job a/b has not ended.', hint: 'Give another image.' });
}

const finding = { ...REFUSED, attempts: 1 };
const soon = { leftMs: 60_000 };

test('a failure is handed on to the attempts after it, without what looks like a secret', async () => {
  const thrown = new FabricError({ ...REFUSED, message: 'Refused: Bearer abc.def' });
  const { beat } = await fail(() => Promise.reject(thrown), soon);
  expect(beat).toEqual({ earlier: { code: 'unreachable', message: 'Refused: [removed]', hint: 'Mend the policy.', attempts: 5 } });
});

test('an attempt whose wait was cut short tells what one before it has found, and hands that on', async () => {
  const { failure, beat } = await fail(() => wait(10_000), { heartbeatDetails: { earlier: finding }, leftMs: 6_100 });
  const message = 'A policy refuses the caller. (attempt 5 could only tell: Job a/b has not ended.)';
  expect(failure).toMatchObject({ type: 'unreachable', message, details: [{ message, hint: 'Mend the policy.', attempts: 5 }] });
  expect(beat).toEqual({ earlier: finding });
});

test('a wait that had the time it wanted is a finding of its own', async () => {
  const { failure, beat } = await fail(() => wait(20), { heartbeatDetails: { earlier: finding }, leftMs: 60_000 });
  expect(failure).toMatchObject({ type: 'unready', message: 'Job a/b has not ended.' });
  expect(beat).toMatchObject({ earlier: { code: 'unready' } });
});

test('an attempt that ran out of time with none before it tells its own failure, which is no finding', async () => {
  const { failure, beat } = await fail(() => wait(10_000), { leftMs: 6_100 });
  expect(failure).toMatchObject({ type: 'unready', message: 'Job a/b has not ended.' });
  expect(beat).toBeUndefined();
});

test.each([
  ['of the step itself is told instead', finding, 'unreachable'],
  ['that was no more than that gives way', { ...finding, code: 'pending' }, 'pending'],
  ['that was only not answered gives way', { ...finding, code: 'unavailable' }, 'pending'],
  ['as an earlier version handed it on, as a text, is nothing', 'waiting for pods', 'pending'],
])('what is only in the way: a finding %s', async (_what, earlier, type) => {
  const pending = new FabricError({ code: 'pending', message: 'Job a/b of an earlier attempt is still being deleted.' });
  const heartbeatDetails = typeof earlier === 'string' ? earlier : { earlier };
  const { failure } = await fail(() => Promise.reject(pending), { heartbeatDetails, ...soon });
  expect(failure).toMatchObject({ type, message: expect.stringMatching(type === 'pending' ? /^Job a\/b of/ : /^A policy/) as string });
});

test('a fact that no retry changes is told as it is', async () => {
  const forbidden = new FabricError({ code: 'forbidden', message: 'You may not.' });
  const { failure } = await fail(() => Promise.reject(forbidden), { heartbeatDetails: { earlier: finding }, leftMs: 0 });
  expect(failure).toMatchObject({ type: 'forbidden', message: 'You may not.' });
});

describe('with a server', () => {
  let environment: TestWorkflowEnvironment;
  beforeAll(async () => {
    environment = await testEnvironment();
  });
  afterAll(() => environment.teardown());

  test('the run fails with the reason of its first attempt, though others came after it that had too little time', async () => {
    let tries = 0;
    const readRegister = attempt(() => {
      tries += 1;
      return tries === 1 ? Promise.reject(new FabricError(REFUSED)) : wait(60_000);
    });
    const request = teardownRequest.parse({ fabric: `f-${randomUUID().slice(0, 8)}`, deadlines: { step: '8s' } });
    const taskQueue = uniqueTaskQueue();
    const activities = { ...fakeActivities().activities, readRegister };
    const failed: unknown = await withWorker(environment, { taskQueue, activities }, () =>
      environment.client.workflow
        .execute('TeardownFabric', { workflowId: teardownWorkflowId(request), taskQueue, args: [request] })
        .catch((error: unknown) => error),
    );
    expect(failed).toBeInstanceOf(WorkflowFailedError);
    expect(tries).toBeGreaterThan(2);
    const message = `A policy refuses the caller. (attempt ${tries} could only tell: Job a/b has not ended.)`;
    expect((failed as WorkflowFailedError).cause).toMatchObject({ type: 'unreachable', message });
  });
});
