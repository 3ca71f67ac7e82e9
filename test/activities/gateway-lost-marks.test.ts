// What users and clouds do to a gateway's own marks: its anchor or claims are lost, its namespace is deleted, a finalizer holds what was
// deleted. Nothing of the gateway is lost by that, and nothing of it is left.
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject, ObjectRef } from '../../src/kubernetes/kube-object';
import { claimantOf, FABRIC, inNamespace, NAMESPACE, startGatewayBench, type GatewayBench } from './gateway-bench';

let bench: GatewayBench;
beforeEach(async () => {
  bench = await startGatewayBench();
});
afterEach(() => bench.close());

const ONE = claimantOf('bootstrap-one', 'run-1');
const LATER = { ...ONE, run: 'run-2' };
const DOWN = claimantOf('teardown', 'run-9');
const ANCHOR = inNamespace('v1', 'ConfigMap', 'skyfabric-gateway');
const SERVICE = inNamespace('v1', 'Service', 'clusterlink');
const JWK = inNamespace('v1', 'Secret', 'jwk');
const OWN_NAMESPACE: ObjectRef = { apiVersion: 'v1', kind: 'Namespace', name: NAMESPACE };
const IMPORT: ObjectRef = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Import', namespace: 'default', name: 'echo' };
const CLOUD = 'service.kubernetes.io/load-balancer-cleanup';

const tearDown = () => bench.run('releaseGateway', { claimant: DOWN, peer: bench.peer, scope: 'all' });
const undo = (claimant: typeof ONE) => bench.run('releaseGateway', { claimant, peer: bench.peer, scope: 'run' });
const givenNamespace = () => bench.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });

/** As ClusterLink's control plane makes it. */
async function makeOwn(): Promise<void> {
  await bench.cluster.create({ apiVersion: 'v1', kind: 'Secret', metadata: { name: JWK.name, namespace: NAMESPACE } });
}

async function loseClaims(ref: ObjectRef): Promise<void> {
  const { annotations = {} } = (await bench.cluster.get<KubeObject>(ref))?.metadata ?? {};
  const claims = Object.keys(annotations).filter((key) => key.startsWith('claim.skyfabric.io/'));
  expect(claims).not.toEqual([]);
  await bench.cluster.patch(ref, { metadata: { annotations: Object.fromEntries(claims.map((key) => [key, null])) } });
}

const hold = (ref: ObjectRef, finalizer: string) => bench.cluster.patch(ref, { metadata: { finalizers: [finalizer] } });
const letGo = (ref: ObjectRef) => bench.cluster.patch(ref, { metadata: { finalizers: null } });

const LOSSES: readonly (readonly [what: string, lose: () => Promise<unknown>])[] = [
  ['the anchor is deleted', () => bench.cluster.delete(ANCHOR)],
  ['the claims on the anchor are lost', () => loseClaims(ANCHOR)],
  [
    'the claims on anchor and namespace are lost',
    async () => {
      await loseClaims(ANCHOR);
      await loseClaims(OWN_NAMESPACE);
    },
  ],
  [
    'the namespace is deleted',
    async () => {
      await bench.cluster.delete(OWN_NAMESPACE);
      while ((await bench.cluster.get(OWN_NAMESPACE)) !== undefined) await delay(10);
    },
  ],
];

test.each(LOSSES)('%s: the end of the peer takes all of the gateway', async (_what, lose) => {
  const empty = await bench.contents();
  await bench.install(ONE);
  await makeOwn();
  await lose();
  expect(await tearDown()).toMatchObject({ changed: true, note: 'removed' });
  expect(await bench.contents()).toBe(empty);
  expect(await tearDown()).toMatchObject({ changed: false });
});

test('operator mode, the anchor is deleted: the end of the peer takes the operator and its Instance, too', async () => {
  const empty = await bench.contents();
  await bench.install(ONE, { options: { mode: 'operator' } });
  await bench.cluster.delete(ANCHOR);
  await tearDown();
  expect(await bench.contents()).toBe(empty);
});

test('the anchor is deleted in a namespace that was given: what others have there stays', async () => {
  await givenNamespace();
  await bench.cluster.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'theirs', namespace: NAMESPACE } });
  const before = await bench.contents();
  await bench.install(ONE);
  await makeOwn();
  await bench.cluster.delete(ANCHOR);
  await tearDown();
  expect(await bench.contents()).toBe(before);
});

test('the namespace is deleted and made anew for another ClusterLink: that one keeps its own', async () => {
  await bench.install(ONE);
  await bench.cluster.delete(OWN_NAMESPACE);
  while ((await bench.cluster.get(OWN_NAMESPACE)) !== undefined) await delay(10);
  await givenNamespace();
  await makeOwn();
  await tearDown();
  expect(await bench.cluster.get(JWK)).toBeDefined();
  expect(await bench.inventory()).toEqual([]);
});

test('a removal with the anchor lost that is cut off anywhere goes on where it was', async () => {
  await givenNamespace();
  const before = await bench.contents();
  for (let nth = 1, fired = 1; fired > 0; nth += 7) {
    await bench.install(ONE);
    await makeOwn();
    await bench.cluster.delete(ANCHOR);
    const match = { method: /^(PUT|PATCH|DELETE)$/, userAgent: 'skyfabric' };
    const cut = bench.faults.add({ match, fault: 'reset', nth, times: Infinity });
    await tearDown().catch(() => undefined);
    fired = cut.fired();
    bench.faults.clear();
    await tearDown();
    expect({ nth, contents: await bench.contents() }).toEqual({ nth, contents: before });
  }
}, 120_000);

describe.each(LOSSES.slice(0, 2))('%s:', (_what, lose) => {
  beforeEach(async () => {
    await bench.install(ONE);
    await bench.run('settleGateway', { claimant: ONE, peer: bench.peer });
    await makeOwn();
  });

  test('a bootstrap finds the gateway well, and mends what is lost', async () => {
    await lose();
    const { peer, clusterlink } = bench.input(LATER);
    const { findings } = await bench.run('preflight', { fabric: FABRIC, peer, clusterlink });
    expect(findings).toContainEqual(expect.objectContaining({ check: 'gateway', ok: true }));
    const key = (await bench.cluster.get<KubeObject>(inNamespace('v1', 'Secret', 'cl-peer')))?.metadata.uid;
    await bench.install(LATER);
    expect((await bench.cluster.get<KubeObject>(inNamespace('v1', 'Secret', 'cl-peer')))?.metadata.uid).toBe(key);
    expect((await bench.inventory()).find(({ object }) => object.startsWith('ConfigMap'))?.claims).toEqual([ONE.id]);
  });

  test('a bootstrap that fails leaves the gateway as it found it', async () => {
    const isAnchor = (line: string): boolean => line.startsWith('ConfigMap');
    const rest = async () => (await bench.inventory()).filter(({ object }) => !isAnchor(object));
    const before = await rest();
    await lose();
    await bench.install(LATER, { options: { tag: 'v0.4.2' } });
    expect(await undo(LATER)).toMatchObject({ changed: true, note: 'left as it was found' });
    expect(await rest()).toEqual(before);
    await tearDown();
    expect(await bench.inventory()).toEqual([]);
  });
});

describe("a cloud's finalizer holds the Service, in a namespace that was given:", () => {
  beforeEach(async () => {
    await givenNamespace();
    await bench.install(ONE);
    await hold(SERVICE, CLOUD);
  });

  test.each([
    ['the end of the peer', tearDown],
    ['the undoing of the run that made it', () => undo(ONE)],
  ])('%s is not done before it is gone', async (_what, end) => {
    let ended = false;
    const ending = end().then(() => (ended = true));
    while ((await bench.cluster.get<KubeObject>(SERVICE))?.metadata.deletionTimestamp === undefined) await delay(10);
    await delay(1_000);
    expect(ended).toBe(false);
    await letGo(SERVICE);
    await ending;
    expect(await bench.inventory()).toEqual([]);
  });

  test('nothing is written to it, and it is made anew once it is gone', async () => {
    await bench.cluster.delete(SERVICE);
    await expect(bench.install(LATER)).rejects.toMatchObject({ code: 'pending', message: expect.stringContaining(CLOUD) as string });
    await letGo(SERVICE);
    await bench.install(LATER);
    expect((await bench.cluster.get<KubeObject>(SERVICE))?.metadata).not.toHaveProperty('deletionTimestamp');
    await tearDown();
  });
});

test('what carries our labels where nothing of ours can stand is told, and not removed', async () => {
  await bench.install(ONE);
  const labels = { 'app.kubernetes.io/managed-by': 'skyfabric', 'skyfabric.io/fabric': FABRIC };
  const theirs = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'copied', namespace: 'default', labels },
    spec: { ports: [{ port: 80 }] },
  };
  await bench.cluster.create(theirs);
  await expect(tearDown()).rejects.toMatchObject({
    code: 'pending',
    message: expect.stringContaining('Service default/copied stands') as string,
  });
  expect((await bench.inventory()).map(({ object }) => object)).toEqual(['Service default/copied']);
});

test('an Import that has lost its claims goes with the peer, and an adopted one is given back', async () => {
  await bench.install(ONE);
  const labels = { 'app.kubernetes.io/managed-by': 'skyfabric', 'skyfabric.io/fabric': FABRIC };
  const spec = { port: 80, sources: [{ peer: 'east', exportName: 'echo', exportNamespace: 'default' }] };
  const make = ({ apiVersion, kind, name, namespace }: ObjectRef, origin: string) =>
    bench.cluster.create({
      ...{ apiVersion, kind, spec },
      metadata: { name, namespace, labels: { ...labels, 'skyfabric.io/origin': origin } },
    });
  await make(IMPORT, 'created');
  const adopted = { ...IMPORT, name: 'theirs' };
  await make(adopted, 'adopted');
  await tearDown();
  expect(await bench.cluster.get(IMPORT)).toBeUndefined();
  expect((await bench.cluster.get<KubeObject>(adopted))?.metadata.labels ?? {}).toEqual({});
  // Its definition stays with it.
  expect((await bench.inventory()).map(({ object }) => object)).toEqual(['CustomResourceDefinition imports.clusterlink.net']);
});
