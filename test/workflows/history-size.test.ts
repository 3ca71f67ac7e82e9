// The largest request there is stays within what Temporal keeps well: a full mesh of the most peers, undone at the very end.
import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { recordSignal, registerQuery } from '../../src/contract/messages';
import { PEERS_ATTRIBUTE } from '../../src/contract/search-attributes';
import { guardWorkflowId } from '../../src/contract/workflow-ids';
import { MAX_PEERS } from '../../src/model/requests';
import { startRun } from '../../src/temporal/runs';
import { registeredPeer } from '../support/registered-peer';
import { testEnvironment, uniqueTaskQueue, withWorker } from '../support/temporal';
import { fakeActivities } from './fake-activities';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await testEnvironment();
});
afterAll(() => environment.teardown());

test('a bootstrap of the most peers, wholly undone, has fewer than 10,000 events', async () => {
  const fake = fakeActivities();
  fake.fail('recordChange', { code: 'forbidden', times: 1 });
  const taskQueue = uniqueTaskQueue();
  const peers = Array.from({ length: MAX_PEERS }, (_, index) => ({ name: `peer-${index}-`.padEnd(63, 'x'), context: `kind-${index}` }));
  await withWorker(environment, { taskQueue, activities: fake.activities }, async () => {
    const { handle } = await startRun(environment.client, 'BootstrapFabric', { fabric: `f-${randomUUID()}`, peers }, taskQueue);
    await expect(handle.result()).rejects.toThrow();
    const { historyLength } = await handle.describe();
    expect(fake.log().filter((entry) => entry.endsWith(':releaseGateway'))).toHaveLength(MAX_PEERS);
    expect(historyLength).toBeGreaterThan(MAX_PEERS * 30);
    expect(historyLength).toBeLessThan(10_000);
  });
}, 180_000);

test('a register of more peers than a search attribute takes is kept, and found by as many as it takes', async () => {
  const fabric = `f-${randomUUID()}`;
  const taskQueue = uniqueTaskQueue();
  const peers = Array.from({ length: 2 * MAX_PEERS }, (_, index) =>
    registeredPeer(`peer-${String(index).padStart(3, '0')}-`.padEnd(63, 'x')),
  );
  await withWorker(environment, { taskQueue, activities: {} }, async () => {
    const handle = await environment.client.workflow.signalWithStart('GuardFabric', {
      workflowId: guardWorkflowId(fabric),
      taskQueue,
      args: [{ fabric }],
      signal: recordSignal,
      signalArgs: [{ putPeers: peers }],
    });
    expect((await handle.query(registerQuery)).peers.map(({ name }) => name)).toEqual(peers.map(({ name }) => name));
    const { status, typedSearchAttributes } = await handle.describe();
    expect(status.name).toBe('RUNNING');
    expect(typedSearchAttributes.get(PEERS_ATTRIBUTE)).toHaveLength(30);
    await handle.terminate();
  });
});
