// A cluster that is away while a run is undone is owed the rest, and gets it when it comes back; a run that was terminated is found.
import { setTimeout as delay } from 'node:timers/promises';
import { readOwed } from '../../src/contract/read-owed';
import { readRegister } from '../../src/contract/read-register';
import { retrySignal } from '../../src/contract/messages';
import type { OwedCleanup } from '../../src/contract/owed';
import { settleWorkflowId } from '../../src/contract/workflow-ids';
import { deployEcho } from '../../src/playground/simulated-cluster';
import { FabricHarness, uniqueFabric } from '../support/fabric';
import { saveHistories } from '../support/histories';
import { final, type StepName } from '../support/step-traps';
import { ORCHESTRATOR } from '../support/user-agent';

const service = { name: 'echo', namespace: 'demo', port: 8080 };
const deadlines = { step: '20s', undo: '3s' };

let harness: FabricHarness;
let fabric: string;
beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'west']);
  await deployEcho(harness.simulated.cluster('east'), { namespace: 'demo', name: 'unused', port: 8080 });
  await deployEcho(harness.simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 });
}, 60_000);
afterAll(async () => {
  const directory = process.env['SKYFABRIC_SAVE_HISTORIES'];
  if (directory !== undefined) await saveHistories(directory, await harness.histories());
  await harness.close();
}, 120_000);
beforeEach(() => {
  fabric = uniqueFabric();
});
afterEach(async () => {
  harness.faults.clear();
  harness.traps.clear();
  await settled();
  if ((await readRegister(harness.environment.client, fabric)) !== undefined) await harness.succeed('TeardownFabric', { fabric });
}, 60_000);

const owed = (): Promise<readonly OwedCleanup[]> => readOwed(harness.environment.client, fabric);

/** Cuts the worker off from a cluster. */
function partition(server: string): { readonly end: () => void } {
  const handle = harness.faults.add({ match: { server, userAgent: ORCHESTRATOR }, fault: 'reset', times: Infinity });
  return { end: () => handle.remove() };
}

/** Once a step has had its effect, its cluster is away and the step fails for good. */
function loseAfter(step: StepName & { readonly peer: string }): () => { readonly end: () => void } {
  let lost: { readonly end: () => void } | undefined;
  harness.traps.set(step, async (proceed) => {
    await proceed();
    lost ??= partition(step.peer);
    throw final(new Error('the cluster is away'));
  });
  return () => lost ?? { end: () => undefined };
}

/** Lets everything be tried now, until nothing is owed. */
async function settled(): Promise<void> {
  const handle = harness.environment.client.workflow.getHandle(settleWorkflowId(fabric));
  while ((await owed()).length > 0) {
    await handle.signal(retrySignal, {}).catch(() => undefined); // It has just ended.
    await delay(50);
  }
}

test('what a rolled-back connection leaves on a cluster that is away goes when it comes back', async () => {
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const before = await harness.inventory(fabric);
  const lost = loseAfter({ activity: 'ensureAccess', peer: 'east' });
  const connect = { fabric, service, from: ['west'], to: ['east'], deadlines };
  const { failure } = await harness.run('ConnectServiceAcrossClusters', connect);
  expect(failure?.details.rollback.residue).toMatchObject([
    { peer: 'east', object: 'withdraw import', owed: true },
    { peer: 'east', object: 'take back links', owed: true },
    { peer: 'east', object: 'inventory', owed: true },
  ]);
  expect(await owed()).toMatchObject([{ kind: 'undo', peers: ['east'], left: ['withdraw import', 'take back links'] }]);
  expect(await harness.inventory(fabric)).not.toEqual(before);

  lost().end();
  await settled();
  expect(await harness.inventory(fabric)).toEqual(before);
  harness.traps.clear();
  await harness.succeed('ConnectServiceAcrossClusters', connect);
}, 90_000);

test('a run waits for what an earlier one is owed on the same peer, so that nothing of its own is taken back', async () => {
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const lost = loseAfter({ activity: 'ensureAccess', peer: 'east' });
  const connect = { fabric, service, from: ['west'], to: ['east'], deadlines };
  await harness.run('ConnectServiceAcrossClusters', connect);
  harness.traps.clear();
  lost().end();
  const again = await harness.succeed('ConnectServiceAcrossClusters', connect);
  expect(again.changed).toBe(true);
  expect(await owed()).toEqual([]);
  // The same once more finds all of it standing.
  expect((await harness.succeed('ConnectServiceAcrossClusters', connect)).changed).toBe(false);
}, 90_000);

test('a teardown of a cluster that is away is finished when it comes back, and the register follows', async () => {
  const bare = await harness.everything();
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const away = partition('west');
  const { failure } = await harness.run('TeardownFabric', { fabric, deadlines: { step: '3s', undo: '3s' } });
  expect(failure).toMatchObject({ code: 'residue', details: { rollback: { residue: [{ peer: 'west', owed: true }] } } });
  expect((await readRegister(harness.environment.client, fabric))?.peers.map(({ name }) => name)).toEqual(['west']);

  away.end();
  await settled();
  expect(await readRegister(harness.environment.client, fabric)).toBeUndefined();
  expect(await harness.everything()).toEqual(bare);
}, 90_000);

test('an authority that cannot be released keeps nobody out but those who would sign with it', async () => {
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const lost = (): Promise<never> => Promise.reject(final(new Error('the authority cannot be read')));
  harness.traps.set({ activity: 'prepareGateway', peer: 'west' }, lost);
  harness.traps.set({ activity: 'releaseAuthority', peer: undefined }, lost);
  const alone = { ...harness.bootstrapRequest(fabric, ['west']), links: { kind: 'none' as const }, deadlines };
  const { failure } = await harness.run('BootstrapFabric', alone);
  expect(failure?.details.rollback.residue).toMatchObject([{ peer: '', object: 'release fabric authority', owed: true }]);
  expect(await owed()).toMatchObject([{ peers: [], left: ['release fabric authority'], authorityOnly: true }]);

  await harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'], deadlines });
  await harness.succeed('DisconnectService', { fabric, service: { name: service.name, namespace: service.namespace }, deadlines });
  await harness.succeed('TeardownLink', { fabric, peers: ['east', 'west'], deadlines });
  await harness.succeed('EstablishLink', { fabric, peers: ['east', 'west'], deadlines });
  await harness.succeed('TeardownFabric', { fabric, peers: ['west'], deadlines });
  expect(await owed()).toHaveLength(1);
  const again = await harness.run('BootstrapFabric', { ...alone, deadlines: { step: '3s', undo: '3s' } });
  expect(again.failure).toMatchObject({
    code: 'pending',
    details: { problem: { hint: expect.stringContaining('--forget-fabric') as string } },
  });

  harness.traps.clear();
  await harness.succeed('BootstrapFabric', alone);
  expect(await owed()).toEqual([]);
}, 120_000);

test('what a terminated bootstrap has left is found, shown, and removed as it was shown', async () => {
  const bare = await harness.everything();
  const request = harness.bootstrapRequest(fabric);
  let reached: () => void = () => undefined;
  const deployed = new Promise<void>((resolve) => (reached = resolve));
  harness.traps.set({ activity: 'awaitGateway', peer: 'west' }, async (proceed) => {
    const value = await proceed();
    reached();
    return value;
  });
  const run = await harness.begin('BootstrapFabric', request);
  await deployed;
  await run.handle.terminate('an operator lost patience');
  harness.traps.clear();

  const { peers } = request;
  const look = await harness.succeed('CleanUpFabric', { fabric, peers });
  expect(look).toMatchObject({ removed: false, owed: [], unseen: [] });
  expect(look.orphans.map(({ peer, run: id, why }) => [peer, id, why]).sort()).toEqual([
    ['east', run.runId, 'was terminated'],
    ['west', run.runId, 'was terminated'],
  ]);
  expect(await harness.everything()).not.toEqual(bare);
  const remove = look.orphans.map(({ claim, run: id }) => ({ claim, run: id }));
  expect((await harness.succeed('CleanUpFabric', { fabric, peers, remove })).removed).toBe(true);
  expect(await harness.everything()).toEqual(bare);
  expect((await harness.succeed('CleanUpFabric', { fabric, peers })).orphans).toEqual([]);
}, 90_000);

test('what a terminated bootstrap has left is no orphan any more once the same bootstrap has succeeded', async () => {
  const request = harness.bootstrapRequest(fabric);
  let reached: () => void = () => undefined;
  const linked = new Promise<void>((resolve) => (reached = resolve));
  harness.traps.set({ activity: 'awaitPeerings', peer: 'west' }, async (proceed) => {
    const value = await proceed();
    reached();
    return value;
  });
  const run = await harness.begin('BootstrapFabric', request);
  await linked;
  await run.handle.terminate('an operator lost patience');
  harness.traps.clear();
  await harness.succeed('BootstrapFabric', request);
  await harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'], deadlines });
  expect(await harness.succeed('CleanUpFabric', { fabric, remove: 'all' })).toMatchObject({ orphans: [], owed: [], removed: false });
  await harness.succeed('VerifyFabric', { fabric });
}, 90_000);

test('what stands and is registered is nobody’s orphan', async () => {
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  await harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'], deadlines });
  expect(await harness.succeed('CleanUpFabric', { fabric, remove: 'all' })).toMatchObject({ orphans: [], owed: [], removed: false });
}, 60_000);
