// Peers leave a fabric while a cluster is away, or gone for ever: what is owed takes away what was asked for, and nothing else.
import { setTimeout as delay } from 'node:timers/promises';
import { retrySignal } from '../../src/contract/messages';
import type { OwedCleanup } from '../../src/contract/owed';
import { readOwed } from '../../src/contract/read-owed';
import { readRegister } from '../../src/contract/read-register';
import { settleWorkflowId } from '../../src/contract/workflow-ids';
import { deployEcho } from '../../src/playground/simulated-cluster';
import { FabricHarness, uniqueFabric } from '../support/fabric';
import { final } from '../support/step-traps';
import { ORCHESTRATOR } from '../support/user-agent';

const service = { name: 'echo', namespace: 'demo', port: 8080 };
const deadlines = { step: '20s', undo: '3s' };
const HASTY = { step: '3s', undo: '3s' };

let harness: FabricHarness;
let fabric: string;
beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'west', 'north']);
  await deployEcho(harness.simulated.cluster('east'), { namespace: 'demo', name: 'unused', port: 8080 });
  await deployEcho(harness.simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 });
}, 60_000);
afterAll(() => harness.close(), 120_000);
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
const members = async (): Promise<string[]> =>
  (await readRegister(harness.environment.client, fabric))?.peers.map(({ name }) => name) ?? [];

/** Cuts the worker off from a cluster. */
function partition(server: string): { readonly end: () => void } {
  const handle = harness.faults.add({ match: { server, userAgent: ORCHESTRATOR }, fault: 'reset', times: Infinity });
  return { end: () => handle.remove() };
}

/** Lets everything be tried now, until it has come so far. */
async function triedUntil(isEnough: (owed: readonly OwedCleanup[]) => boolean): Promise<void> {
  const handle = harness.environment.client.workflow.getHandle(settleWorkflowId(fabric));
  while (!isEnough(await owed())) {
    await handle.signal(retrySignal, {}).catch(() => undefined); // It has just ended.
    await delay(50);
  }
}
const settled = (): Promise<void> => triedUntil((left) => left.length === 0);

async function bootstrap(peers: readonly string[]): Promise<void> {
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric, peers));
}

/** What stands of the fabric on one cluster. */
async function standingOn(cluster: string): Promise<string[]> {
  return (await harness.inventory(fabric)).filter((line) => line.startsWith(`${cluster}: `));
}

test('what is owed of the end of a fabric does not concern a peer that joins meanwhile', async () => {
  await bootstrap(['east', 'west']);
  const away = partition('west');
  const { failure } = await harness.run('TeardownFabric', { fabric, deadlines: HASTY });
  expect(failure).toMatchObject({ code: 'residue', details: { rollback: { residue: [{ peer: 'west', owed: true }] } } });
  await bootstrap(['north']);
  away.end();
  await settled();
  expect(await members()).toEqual(['north']);
  expect(await standingOn('west')).toEqual([]);
  expect(await standingOn('north')).not.toEqual([]);
}, 90_000);

test('of several peers that were to leave, the one that was away leaves when it is back', async () => {
  await bootstrap(['east', 'west', 'north']);
  const away = partition('west');
  const leave = { fabric, peers: ['north', 'west'], deadlines: HASTY };
  const { failure } = await harness.run('TeardownFabric', leave);
  expect(failure?.code).toBe('residue');
  expect(await members()).toEqual(['east', 'west']);
  expect(await owed()).toMatchObject([{ kind: 'teardown', peers: ['west'] }]);
  // Whoever makes the same request by hand goes on with the rest.
  expect((await harness.run('TeardownFabric', leave)).failure?.code).toBe('residue');
  expect(await owed()).toMatchObject([{ kind: 'teardown', peers: ['west'] }]);

  away.end();
  await settled();
  expect(await members()).toEqual(['east']);
  expect(await standingOn('west')).toEqual([]);
  const { failure: late } = await harness.run('TeardownFabric', leave);
  expect(late?.code).toBe('not_found');
}, 90_000);

test('a peer does not leave before what an earlier run took from the others has been put back, so that nothing comes back later', async () => {
  await bootstrap(['east', 'west']);
  await harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'], deadlines });
  let away: { readonly end: () => void } | undefined;
  harness.traps.set({ activity: 'releaseImports', peer: 'east' }, async (proceed) => {
    await proceed();
    away = partition('east');
    throw final(new Error('the cluster is away'));
  });
  await harness.run('DisconnectService', { fabric, service: { name: 'echo', namespace: 'demo' }, deadlines });
  harness.traps.clear();
  // Until its next attempt is a while away.
  await triedUntil(([debt]) => debt !== undefined && debt.attempts > 3);
  expect(await owed()).toMatchObject([{ kind: 'undo', peers: ['east'], left: ['restore imports'] }]);

  away?.end();
  await harness.succeed('TeardownFabric', { fabric, peers: ['west'], force: true, deadlines });
  expect(await owed()).toEqual([]);
  expect((await standingOn('east')).filter((line) => /: (Import|Peer) /.test(line))).toEqual([]);
}, 90_000);

test('while what a staying peer is owed cannot be done, the leaving one keeps its gateway, and goes later', async () => {
  await bootstrap(['east', 'west']);
  await harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'], deadlines });
  let away: { readonly end: () => void } | undefined;
  harness.traps.set({ activity: 'releaseImports', peer: 'east' }, async (proceed) => {
    await proceed();
    away = partition('east');
    throw final(new Error('the cluster is away'));
  });
  await harness.run('DisconnectService', { fabric, service: { name: 'echo', namespace: 'demo' }, deadlines });
  harness.traps.clear();
  const { failure } = await harness.run('TeardownFabric', { fabric, peers: ['west'], force: true, deadlines: HASTY });
  expect(failure).toMatchObject({
    code: 'residue',
    details: { rollback: { residue: [{ peer: 'east', object: 'settle owed cleanup', owed: true }] } },
  });
  expect((await owed()).map(({ kind, peers }) => [kind, peers])).toEqual([
    ['undo', ['east']],
    ['teardown', ['east', 'west']],
  ]);
  away?.end();
  await settled();
  expect(await members()).toEqual(['east']);
}, 90_000);

test('a peer whose cluster is gone for ever is taken out of the fabric, and comes back only by another bootstrap', async () => {
  const bare = await harness.everything();
  await bootstrap(['east', 'west']);
  await harness.succeed('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'], deadlines });
  const gone = partition('west');
  expect((await harness.run('TeardownFabric', { fabric, peers: ['west'], force: true, deadlines: HASTY })).failure?.code).toBe('residue');
  const { peers, ended, changed } = await harness.succeed('TeardownFabric', { fabric, peers: ['west'], abandon: true, deadlines });
  expect({ peers, ended, changed }).toEqual({ peers: ['west'], ended: false, changed: true });
  expect(await readRegister(harness.environment.client, fabric)).toMatchObject({ peers: [{ name: 'east' }], links: [], connections: [] });
  expect((await standingOn('east')).filter((line) => /: (Import|Peer) /.test(line))).toEqual([]);
  // What was owed to it is not tried for ever.
  await settled();

  gone.end();
  await bootstrap(['west']);
  await harness.succeed('TeardownFabric', { fabric });
  expect(await harness.everything()).toEqual(bare);
}, 120_000);

// The last one: what it abandons stands until the clusters end.
test('a fabric ends although one of its clusters will never be back', async () => {
  await bootstrap(['east', 'west']);
  partition('west');
  await harness.succeed('TeardownFabric', { fabric, peers: ['west'], abandon: true, deadlines });
  expect(await harness.succeed('TeardownFabric', { fabric, deadlines })).toMatchObject({ peers: ['east'], ended: true });
  expect([await members(), await standingOn('east')]).toEqual([[], []]);
}, 60_000);
