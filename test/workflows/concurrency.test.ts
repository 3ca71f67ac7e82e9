// Runs side by side over the same clusters: what one needs, another's failure does not take away.
import { readRegister } from '../../src/contract/read-register';
import type { KubeObject } from '../../src/kubernetes/kube-object';
import { deployClient, deployEcho } from '../../src/playground/simulated-cluster';
import { atWork, signal } from '../support/at-work';
import { FabricHarness, outcomeOf, uniqueFabric } from '../support/fabric';
import { final } from '../support/step-traps';

const service = { name: 'echo', namespace: 'demo', port: 8080 };
const deadlines = { step: '20s', undo: '20s' };

let harness: FabricHarness;
beforeAll(async () => {
  harness = await FabricHarness.start(['east', 'south', 'west']);
  const { simulated } = harness;
  await Promise.all([
    deployEcho(simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 }),
    deployEcho(simulated.cluster('south'), { namespace: 'demo', name: 'echo', port: 8080 }),
    deployClient(simulated.cluster('east'), { namespace: 'demo', name: 'frontend' }),
  ]);
}, 60_000);
afterAll(() => harness.close(), 60_000);
afterEach(() => harness.traps.clear());

async function answers(calls: number): Promise<string[]> {
  const east = harness.simulated.cluster('east');
  const heard: string[] = [];
  for (let call = 0; call < calls; call += 1) {
    const { body } = await east.fetchFrom({ namespace: 'demo', name: 'frontend' }, 'http://echo.demo.svc:8080/');
    heard.push((JSON.parse(body) as { cluster: string }).cluster);
  }
  return heard;
}

test('the same request twice is one run', async () => {
  const fabric = uniqueFabric();
  const [one, other] = await Promise.all([
    harness.begin('BootstrapFabric', harness.bootstrapRequest(fabric)),
    harness.begin('BootstrapFabric', harness.bootstrapRequest(fabric)),
  ]);
  expect(other.runId).toBe(one.runId);
  expect([one.attached, other.attached].sort()).toEqual([false, true]);
  await expect(
    harness.begin('BootstrapFabric', { ...harness.bootstrapRequest(fabric), clusterlink: { dataplane: 'go' } }),
  ).rejects.toMatchObject({ code: 'conflict' });
  expect((await outcomeOf(one)).result).toBeDefined();
  await harness.succeed('TeardownFabric', { fabric, deadlines });
}, 60_000);

test('two connections share an import: both sources serve, and one that fails takes only its own away', async () => {
  const fabric = uniqueFabric();
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const connect = (from: string) => ({ fabric, service, from: [from], to: ['east'], deadlines });
  const [west, south] = await Promise.all(['west', 'south'].map((from) => harness.run('ConnectServiceAcrossClusters', connect(from))));
  expect([west?.failure, south?.failure]).toEqual([undefined, undefined]);
  expect(new Set(await answers(4))).toEqual(new Set(['west', 'south']));

  await harness.succeed('DisconnectService', { fabric, service: { name: 'echo', namespace: 'demo' }, from: ['south'], deadlines });
  const before = await harness.inventory(fabric);
  harness.traps.set({ activity: 'verifyConnection', peer: 'east' }, async (proceed) => {
    await proceed();
    throw final(new Error('the worker was lost'));
  });
  const failed = await harness.run('ConnectServiceAcrossClusters', connect('south'));
  expect(failed.failure?.details.rollback.residue).toEqual([]);
  expect(await harness.inventory(fabric)).toEqual(before);
  expect(new Set(await answers(4))).toEqual(new Set(['west']));
  await harness.succeed('TeardownFabric', { fabric, deadlines });
}, 90_000);

test('a bootstrap that fails beside another leaves the gateway and the link that the other relies on', async () => {
  const fabric = uniqueFabric();
  const request = (...peers: string[]) => harness.bootstrapRequest(fabric, peers);
  // South fails once the other run has claimed what they share.
  let shared: () => void = () => undefined;
  const otherIsDone = new Promise<void>((resolve) => (shared = resolve));
  harness.traps.set({ activity: 'awaitGateway', peer: 'south' }, async () => {
    await otherIsDone;
    throw final(new Error('the image cannot be pulled'));
  });
  const failing = await harness.begin('BootstrapFabric', request('east', 'west', 'south'));
  const other = await harness.run('BootstrapFabric', request('east', 'west'));
  shared();
  const failed = await outcomeOf(failing);
  expect(other.failure).toBeUndefined();
  expect(failed.failure?.details.rollback).toMatchObject({ failedPeer: 'south', residue: [] });
  const register = await readRegister(harness.environment.client, fabric);
  expect(register?.peers.map(({ name }) => name)).toEqual(['east', 'west']);
  harness.traps.clear();
  // What stands still works, and nothing of it needs mending.
  expect((await harness.succeed('BootstrapFabric', request('east', 'west'))).changed).toBe(false);
  expect((await harness.inventory(fabric)).filter((entry) => entry.startsWith('south: '))).toEqual([]);
  await harness.succeed('TeardownFabric', { fabric, deadlines });
  expect(await harness.inventory(fabric)).toEqual([]);
}, 90_000);

test('connections made and ended side by side leave what their claims say', async () => {
  const fabric = uniqueFabric();
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const connect = (from: string[]) => harness.run('ConnectServiceAcrossClusters', { fabric, service, from, to: ['east'], deadlines });
  const first = await connect(['west']);
  expect(first.failure).toBeUndefined();
  const [both, again] = await Promise.all([connect(['south', 'west']), connect(['west'])]);
  expect([both.failure, again.failure]).toEqual([undefined, undefined]);
  await harness.succeed('DisconnectService', { fabric, service: { name: 'echo', namespace: 'demo' }, deadlines });
  const register = await readRegister(harness.environment.client, fabric);
  expect(register).toMatchObject({
    connections: [],
    links: [
      { a: 'east', b: 'south' },
      { a: 'east', b: 'west' },
    ],
  });
  expect((await harness.inventory(fabric)).filter((entry) => /Import|Export|AccessPolicy/.test(entry))).toEqual([]);
  await harness.succeed('TeardownFabric', { fabric, deadlines });
}, 90_000);

/** An unlink of east and west that has looked at what there is, and what lets it go on. */
async function unlinkHeld(fabric: string) {
  const observed = signal();
  const mayGoOn = signal();
  harness.traps.set({ activity: 'observeClaims', peer: 'west' }, async (proceed) => {
    const seen = await proceed();
    observed.give();
    await mayGoOn.given;
    return seen;
  });
  const unlinking = await harness.begin('TeardownLink', { fabric, peers: ['east', 'west'], deadlines });
  await observed.given;
  return { unlinking, goOn: mayGoOn.give };
}

test('a link that is wanted while it is being torn down is made anew', async () => {
  const fabric = uniqueFabric();
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const { unlinking, goOn } = await unlinkHeld(fabric);
  const connecting = await harness.begin('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'], deadlines });
  await atWork(harness.environment.client, fabric, 2);
  goOn();
  expect((await outcomeOf(unlinking)).result).toMatchObject({ changed: true });
  expect((await outcomeOf(connecting)).failure).toBeUndefined();
  expect(new Set(await answers(4))).toEqual(new Set(['west']));
  await harness.succeed('TeardownFabric', { fabric, force: true, deadlines });
  expect(await harness.inventory(fabric)).toEqual([]);
}, 90_000);

test('a link that somebody claims all the same while it is being torn down stays', async () => {
  const fabric = uniqueFabric();
  await harness.succeed('BootstrapFabric', { ...harness.bootstrapRequest(fabric), links: { kind: 'none' } });
  await harness.succeed('EstablishLink', { fabric, peers: ['east', 'west'], deadlines });
  const { unlinking, goOn } = await unlinkHeld(fabric);
  const { client } = harness.simulated.cluster('east');
  const ref = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Peer', namespace: 'clusterlink-system', name: 'west' };
  const peer = (await client.get<KubeObject>(ref))!;
  const claim = '{"by":"link/of/another","need":{},"run":"r"}';
  const annotations = { ...peer.metadata.annotations, 'claim.skyfabric.io/link-000000000000': claim };
  await client.replace({ ...peer, metadata: { ...peer.metadata, annotations } });
  goOn();
  expect((await outcomeOf(unlinking)).failure).toMatchObject({ code: 'in_use', details: { rollback: { residue: [] } } });
  expect((await client.get<KubeObject>(ref))?.metadata.annotations).toMatchObject(annotations);
  await harness.succeed('TeardownFabric', { fabric, force: true, deadlines });
  expect(await harness.inventory(fabric)).toEqual([]);
}, 90_000);

test('a peer that is to leave while a connection to it is made leaves after that, and leaves nothing behind, in the register or in policies', async () => {
  const fabric = uniqueFabric();
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
  const before = (await harness.inventory(fabric)).filter((entry) => !entry.startsWith('south: '));
  const imported = signal();
  harness.traps.set({ activity: 'ensureAccess', peer: 'east' }, async (proceed) => {
    imported.give();
    await atWork(harness.environment.client, fabric, 2);
    return proceed();
  });
  const connection = { fabric, service, from: ['south', 'west'], to: ['east'], verify: { mode: 'status' as const }, deadlines };
  const connecting = await harness.begin('ConnectServiceAcrossClusters', connection);
  await imported.given;
  const leaving = await harness.begin('TeardownFabric', { fabric, peers: ['south'], force: true, deadlines });
  expect((await outcomeOf(connecting)).failure).toBeUndefined();
  expect((await outcomeOf(leaving)).failure).toBeUndefined();
  harness.traps.clear();
  expect(await readRegister(harness.environment.client, fabric)).toMatchObject({
    peers: [{ name: 'east' }, { name: 'west' }],
    links: [{ a: 'east', b: 'west' }],
    connections: [{ imports: { east: ['west'] } }],
  });

  await harness.succeed('DisconnectService', { fabric, service: { name: 'echo', namespace: 'demo' }, deadlines });
  const after = await harness.inventory(fabric);
  expect(after.filter((entry) => /AccessPolicy|Import|Export/.test(entry))).toEqual([]);
  expect(after).toHaveLength(before.filter((entry) => !/Peer clusterlink-system.south/.test(entry)).length);
  await harness.succeed('TeardownFabric', { fabric, deadlines });
}, 120_000);
