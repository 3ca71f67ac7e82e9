// GuardFabric: nobody but the last peer's teardown ends it, and what was never told is not taken back.
import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { recordSignal, registerQuery } from '../../src/contract/messages';
import { inverseOf, emptyRegister, type RegisterChange } from '../../src/contract/register';
import { guardWorkflowId } from '../../src/contract/workflow-ids';
import { testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { registeredPeer } from '../support/registered-peer';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await testEnvironment();
});
afterAll(() => environment.teardown());

const run = (id: string): NonNullable<RegisterChange['run']> => ({
  workflowId: `bootstrap/${id}`,
  runId: id,
  kind: 'BootstrapFabric',
  endedAt: 0,
});

async function withGuard(change: RegisterChange, act: (handle: Awaited<ReturnType<typeof begin>>) => Promise<void>): Promise<void> {
  const taskQueue = uniqueTaskQueue();
  await withWorker(environment, { taskQueue, activities: {} }, async () => act(await begin(taskQueue, change)));
}

function begin(taskQueue: string, change: RegisterChange) {
  const fabric = `f-${randomUUID()}`;
  const workflowId = guardWorkflowId(fabric);
  return environment.client.workflow.signalWithStart('GuardFabric', {
    workflowId,
    taskQueue,
    args: [{ fabric }],
    signal: recordSignal,
    signalArgs: [change],
  });
}

test('a cancellation does not end the register of a fabric that has peers', async () => {
  await withGuard({ putPeers: [registeredPeer('east')], run: run('one') }, async (handle) => {
    await handle.cancel();
    expect((await handle.query(registerQuery)).peers.map(({ name }) => name)).toEqual(['east']);
    expect((await handle.describe()).status.name).toBe('RUNNING');
    // It goes on, and ends as ever.
    await handle.signal(recordSignal, { removePeers: ['east'], run: run('two') });
    await expect(handle.result()).resolves.toBeUndefined();
  });
});

test('a run that was undone before it told the register takes nothing of others back', async () => {
  const both: RegisterChange = {
    putPeers: [registeredPeer('hub'), registeredPeer('west')],
    putLinks: [{ a: 'hub', b: 'west' }],
    run: run('theirs'),
  };
  const own: RegisterChange = {
    putPeers: [registeredPeer('east'), registeredPeer('hub')],
    putLinks: [{ a: 'east', b: 'hub' }],
    run: run('own'),
  };
  const takenBack = inverseOf(emptyRegister('any'), own);
  await withGuard(both, async (handle) => {
    await handle.signal(recordSignal, takenBack);
    const { peers, links } = await handle.query(registerQuery);
    expect(peers.map(({ name }) => name)).toEqual(['hub', 'west']);
    expect(links).toEqual([{ a: 'hub', b: 'west' }]);
    // What it has told is taken back.
    await handle.signal(recordSignal, { putPeers: [registeredPeer('east')], run: run('own') });
    await handle.signal(recordSignal, { removePeers: ['east'], removeRuns: ['own'] });
    expect((await handle.query(registerQuery)).peers.map(({ name }) => name)).toEqual(['hub', 'west']);
    await handle.terminate();
  });
});
