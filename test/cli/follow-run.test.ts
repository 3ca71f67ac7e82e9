// The end of a run that was cancelled: its last state is asked for until somebody tells it, or for long enough.
import { CancelledFailure } from '@temporalio/common';
import { WorkflowFailedError, type Client, type WorkflowHandle } from '@temporalio/client';
import type { Rollback, RunStatus } from '../../src/contract/status';
import { followRun, type RunEnd } from '../../src/cli/follow-run';

afterEach(() => jest.restoreAllMocks());

const ROLLBACK: Rollback = { undone: ['west: remove gateway'], inventories: { west: { before: 0, after: 0 } }, residue: [] };
const STATUS: RunStatus = { kind: 'BootstrapFabric', fabric: 'default', phase: 'cancelled', steps: [], rollback: ROLLBACK };

/** Follows a cancelled run whose queries fail so many times after its end. */
async function followCancelled(failures: number): Promise<{ readonly end: RunEnd<unknown>; readonly shown: readonly RunStatus[] }> {
  let ended = false;
  let left = failures;
  const handle = {
    result: () => {
      ended = true;
      return Promise.reject(new WorkflowFailedError('cancelled', new CancelledFailure('cancelled'), 'NON_RETRYABLE_FAILURE'));
    },
    query: () => (ended && left-- > 0 ? Promise.reject(new Error('deadline exceeded')) : Promise.resolve(STATUS)),
    describe: () => Promise.resolve({ raw: {}, status: { name: 'CANCELED' } }),
  } as unknown as WorkflowHandle;
  const client = {
    withDeadline: (_: number, read: () => unknown) => read(),
    withAbortSignal: (_: AbortSignal, read: () => unknown) => read(),
  } as unknown as Client;
  const shown: RunStatus[] = [];
  const end = await followRun(client, handle, {
    view: { update: (status) => void shown.push(status), note: () => undefined, end: () => undefined },
    onSignal: () => () => undefined,
    interrupt: 'cancel',
  });
  return { end, shown };
}

test('a last query that fails once is asked again, so the proof of the undoing is not lost', async () => {
  const { end, shown } = await followCancelled(1);
  expect(end).toMatchObject({ outcome: 'cancelled', rollback: ROLLBACK });
  expect(shown.at(-1)).toEqual(STATUS);
});

test('an undoing that nobody tells in time is marked as unread', async () => {
  let clock = 0;
  jest.spyOn(Date, 'now').mockImplementation(() => (clock += 4_000));
  const { end } = await followCancelled(Infinity);
  expect(end).toEqual({ outcome: 'cancelled', problem: expect.anything(), rollbackUnread: true });
});
