import { isControlplaneLeading } from '../../../activities/controlplane-view';
import { refOf, type KubeObject, type ObjectRef } from '../../../src/kubernetes/kube-object';
import { ANYBODY, claimant, claimsOn, deployWeb, GATEWAYS, objectRef, startBench, WEB, type Bench } from './bench';

jest.mock('../../../activities/management-timeouts', () => ({
  ...jest.requireActual<object>('../../../activities/management-timeouts'),
  SERVICES_GONE_TIMEOUT_MS: 300,
}));

const REF = objectRef('Import', WEB.namespace, WEB.name);
let bench: Bench;

beforeEach(async () => {
  bench = await startBench();
  for (const name of ['east', 'south', 'north']) {
    await bench.cluster.create({
      ...objectRef('Peer', GATEWAYS, name),
      metadata: { name, namespace: GATEWAYS },
      spec: { gateways: [{ host: '192.0.2.1', port: 443 }] },
    } as KubeObject);
  }
  await bench.startControlplane();
});
afterEach(() => bench.close());

type Options = Partial<Parameters<typeof bench.run<'ensureImport'>>[1]>;
const ensure = (id: string, sources: readonly string[], options: Options = {}): ReturnType<typeof bench.run<'ensureImport'>> =>
  bench.run('ensureImport', {
    claimant: claimant(id),
    peer: bench.peer,
    service: WEB,
    sources,
    loadBalancing: 'round-robin',
    merge: false,
    adopt: false,
    ...options,
  });
const sourcesNow = async (): Promise<string[]> => ((await bench.spec(REF))?.['sources'] as { peer: string }[]).map(({ peer }) => peer);

test('An Import by a name of its own asks its sources for the service, beside the Import of that service.', async () => {
  await ensure('a', ['east']);
  await bench.run('tryImport', {
    claimant: claimant('verification-1'),
    peer: bench.peer,
    service: WEB,
    via: 'try-verification-1',
    sources: ['south'],
  });
  const trial = objectRef('Import', WEB.namespace, 'try-verification-1');
  await expect(bench.spec(trial)).resolves.toMatchObject({
    sources: [{ peer: 'south', exportName: WEB.name, exportNamespace: WEB.namespace }],
  });
  await expect(sourcesNow()).resolves.toEqual(['east']);
});

test('A second ensure changes nothing, and the allocated target port stays.', async () => {
  await expect(ensure('a', ['east'])).resolves.toEqual({ changed: true, note: 'created' });
  await expect(ensure('a', ['east'])).resolves.toEqual({ changed: false, note: 'unchanged' });
  await ensure('b', ['south']);
  await expect(bench.spec(REF)).resolves.toMatchObject({ port: 80, targetPort: 30_001, lbScheme: 'round-robin' });
});

test.each([
  ['a', ['south', 'north']],
  ['b', ['east', 'south']],
])('The sources are those of all claims; %s is released, and the other claim keeps its own.', async (released, left) => {
  await ensure('a', ['east', 'south'], { loadBalancing: 'static' });
  await ensure('b', ['south', 'north'], { loadBalancing: 'static' });
  await expect(sourcesNow()).resolves.toEqual(['east', 'south', 'north']);
  const release = (id: string): Promise<unknown> =>
    bench.run('releaseImports', { claimant: claimant(id), peer: bench.peer, scope: 'claim', selection: { service: WEB } });
  await release(released);
  await expect(sourcesNow()).resolves.toEqual(left);
  await release(released === 'a' ? 'b' : 'a');
  await expect(bench.inventory()).resolves.toEqual([]);
  await expect(bench.cluster.get(objectRef('Service', 'shop', 'web'))).resolves.toBeUndefined();
});

test('Claims that differ in load balancing or merge are conflicts that name the other claimant.', async () => {
  await ensure('a', ['east']);
  await expect(ensure('b', ['east'], { loadBalancing: 'random' })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('connect/a, which needs load balancing round-robin') as string,
  });
  await bench.cluster.delete(objectRef('Service', 'shop', 'web'));
  await deployWeb(bench);
  await expect(ensure('b', ['east'], { merge: true })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('needs merge false') as string,
  });
});

test('A Service of its own is a conflict without merge, and needed with it.', async () => {
  await expect(ensure('a', ['east'], { merge: true })).rejects.toMatchObject({ code: 'not_found', object: 'Service shop/web' });
  await deployWeb(bench);
  await expect(ensure('a', ['east'])).rejects.toMatchObject({ code: 'conflict', hint: expect.stringContaining('--merge') as string });
  await ensure('a', ['east'], { merge: true });
  expect((await bench.cluster.get(REF))?.metadata.labels).toMatchObject({ 'import.clusterlink.net/merge': 'true' });
});

test('A source that the peer is not linked to, or a namespace that it does not have, is named.', async () => {
  await expect(ensure('a', ['east', 'nowhere'])).rejects.toMatchObject({
    code: 'pending',
    message: 'Peer west is not linked to nowhere, from where it is to import.',
  });
  await expect(ensure('a', ['east'], { service: { ...WEB, namespace: 'nowhere' } })).rejects.toMatchObject({ code: 'not_found' });
  await expect(bench.inventory()).resolves.toEqual([]);
});

test('Poison is refused before anything is written.', async () => {
  bench.requests.length = 0;
  await expect(ensure('a', ['east'], { service: { ...WEB, port: 70_000 } })).rejects.toMatchObject({ code: 'invalid' });
  await expect(ensure('a', ['east'], { loadBalancing: 'fastest' as never })).rejects.toMatchObject({ code: 'invalid' });
  expect(bench.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
});

test('Sources are taken out of every claim, and restored as they were, beside what others have claimed since.', async () => {
  for (const [id, sources] of [
    ['a', ['east', 'south']],
    ['b', ['east']],
  ] as const) {
    await ensure(id, sources);
    await bench.run('ensureAccess', {
      claimant: claimant(id),
      peer: bench.peer,
      service: WEB,
      sources,
      importers: [],
      access: ANYBODY,
      adopt: false,
    });
  }
  const seen = await bench.run('observeClaims', { fabric: 'default', peer: bench.peer, selection: { remotes: ['east'] } });
  expect(seen.claims).toEqual([
    { kind: 'Import', namespace: 'shop', name: 'web', claim: 'a', by: 'connect/a', remotes: ['east', 'south'] },
    { kind: 'Import', namespace: 'shop', name: 'web', claim: 'b', by: 'connect/b', remotes: ['east'] },
  ]);
  expect(seen.objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
    'Import web',
    'AccessPolicy a-egress',
    'AccessPolicy b-egress',
  ]);
  const before = await bench.inventory();
  const release = { claimant: claimant('d'), peer: bench.peer, scope: 'all' as const, selection: { remotes: ['east'] } };
  await expect(bench.run('releaseImports', release)).resolves.toMatchObject({ changed: true });
  await expect(sourcesNow()).resolves.toEqual(['south']);
  await expect(bench.run('releaseImports', release)).resolves.toMatchObject({ changed: false });
  expect((await bench.inventory()).map(({ object }) => object)).toEqual(['AccessPolicy shop/a-egress', 'Import shop/web']);
  await ensure('c', ['north']);
  await bench.run('restoreObjects', { claimant: claimant('d'), peer: bench.peer, objects: seen.objects });
  await expect(sourcesNow()).resolves.toEqual(['east', 'south', 'north']);
  await bench.run('releaseImports', { claimant: claimant('c'), peer: bench.peer, scope: 'run', selection: {} });
  await expect(bench.inventory()).resolves.toEqual(before);
  expect((await claimsOn(bench, REF))['a']).not.toHaveProperty('earlier');
});

test('A claim that another workflow narrows says so, and who takes of it as well keeps that for its own undoing.', async () => {
  await ensure('a', ['east', 'south', 'north']);
  const take = (id: string, remote: string) =>
    bench.run('releaseImports', {
      claimant: claimant(id),
      peer: bench.peer,
      scope: 'claim',
      selection: { claims: ['a'], remotes: [remote] },
    });
  await take('c', 'south');
  const whole = expect.objectContaining({ sources: ['east', 'south', 'north'] }) as object;
  await expect(claimsOn(bench, REF)).resolves.toMatchObject({
    a: {
      by: 'connect/a',
      run: 'c-run',
      changedBy: 'connect/c',
      need: { sources: ['east', 'north'] },
      earlier: { run: 'a-run', need: whole },
    },
  });
  await take('d', 'north');
  await expect(claimsOn(bench, REF)).resolves.toMatchObject({
    a: { by: 'connect/a', run: 'd-run', changedBy: 'connect/d', earlier: { run: 'c-run', changedBy: 'connect/c' } },
  });
});

describe('what the control plane made for an import that is gone', () => {
  const SERVICE = objectRef('Service', WEB.namespace, WEB.name);
  const SLICE: ObjectRef = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', namespace: WEB.namespace, name: 'clusterlink-web' };
  const BY_HAND = 'cl-controlplane had left Service shop/web, EndpointSlice shop/clusterlink-web, removed by hand';
  const release = (selection: { service?: typeof WEB } = { service: WEB }): ReturnType<typeof bench.run<'releaseImports'>> =>
    bench.run('releaseImports', { claimant: claimant('a'), peer: bench.peer, scope: 'claim', selection });
  const left = (): Promise<unknown[]> => Promise.all([bench.cluster.get(SERVICE), bench.cluster.get(SLICE)]);

  beforeEach(async () => {
    await ensure('a', ['east']);
    const labels = { 'endpointslice.kubernetes.io/managed-by': 'clusterlink.net', 'kubernetes.io/service-name': WEB.name };
    const { name, namespace } = SLICE;
    await bench.cluster.create({ ...SLICE, metadata: { name, namespace, labels }, addressType: 'IPv4', endpoints: [] } as KubeObject);
  });
  const stopControlplane = async (replicas: number): Promise<void> => {
    bench.stopControlplane();
    const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', namespace: GATEWAYS, name: 'cl-controlplane' };
    await bench.cluster.patchStatus(deployment, { status: { replicas } });
  };

  test('is removed and told when no control plane runs.', async () => {
    await stopControlplane(0);
    await expect(release()).resolves.toEqual({ changed: true, note: `removed; ${BY_HAND}` });
    await expect(left()).resolves.toEqual([undefined, undefined]);
  });

  test.each([{ service: WEB }, {}])('is also removed when the Import went in an earlier attempt, selected by %j.', async (selection) => {
    await stopControlplane(0);
    bench.faults.add({ match: { verb: 'list', resource: 'services', userAgent: /^skyfabric$/ }, fault: 'error-before' });
    await expect(release(selection)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(bench.cluster.get(REF)).resolves.toBeUndefined();
    await expect(release(selection)).resolves.toEqual({ changed: true, note: `nothing to take back; ${BY_HAND}` });
    await expect(left()).resolves.toEqual([undefined, undefined]);
    await expect(release(selection)).resolves.toEqual({ changed: false, note: 'nothing to take back' });
  });

  test('is not waited for when a control plane runs, but the Lease is still that of one that is gone.', async () => {
    await stopControlplane(1);
    const pod = { apiVersion: 'v1', kind: 'Pod', namespace: GATEWAYS, name: 'cl-controlplane-new' };
    const metadata = { name: pod.name, namespace: GATEWAYS, labels: { app: 'cl-controlplane' } };
    await bench.cluster.create({ ...pod, metadata, spec: { containers: [{ name: 'main', image: 'x' }] } } as KubeObject);
    const leads = (): Promise<boolean> => isControlplaneLeading(bench.cluster, GATEWAYS, AbortSignal.timeout(5_000));
    await expect(leads()).resolves.toBe(true);
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'cl-controlplane', namespace: GATEWAYS } };
    await bench.cluster.create({ ...lease, spec: { holderIdentity: 'cl-controlplane-old_1' } } as KubeObject);
    await expect(leads()).resolves.toBe(false);
    await expect(release()).resolves.toEqual({ changed: true, note: `removed; ${BY_HAND}` });
    await bench.cluster.patch(refOf(lease), {
      spec: { holderIdentity: 'cl-controlplane-new_2', acquireTime: '2026-01-01T00:00:09.500000Z' },
    });
    await expect(leads()).resolves.toBe(true);
    const began = (startedAt: string): Promise<unknown> =>
      bench.cluster.patchStatus(pod, { status: { containerStatuses: [{ name: 'main', state: { running: { startedAt } } }] } });
    await began('2026-01-01T00:00:09Z');
    await expect(leads()).resolves.toBe(true);
    // Its container was started anew since, and has to wait for the Lease of the one before it.
    await began('2026-01-01T00:00:10Z');
    await expect(leads()).resolves.toBe(false);
  });

  test('is given its time, then removed when a control plane runs that never saw the Import go.', async () => {
    await stopControlplane(1);
    await expect(release()).resolves.toEqual({ changed: true, note: `removed; ${BY_HAND}` });
    await expect(left()).resolves.toEqual([undefined, undefined]);
  });

  test('stays while the Import does, and another service is not looked at.', async () => {
    await ensure('b', ['east']);
    await expect(release()).resolves.toEqual({ changed: true, note: 'claims taken back' });
    await stopControlplane(0);
    await bench.cluster.delete(REF);
    await release({ service: { ...WEB, name: 'other' } });
    await expect(left()).resolves.toEqual([expect.anything(), expect.anything()]);
  });
});

test.each([
  ['names its port 80 "http"', { ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }],
  ['has no TCP port 80', { ports: [{ port: 8080, protocol: 'TCP' }] }],
  ['is headless', { clusterIP: 'None', ports: [{ port: 80, protocol: 'TCP' }] }],
  ['is an ExternalName', { type: 'ExternalName', externalName: 'example.org' }],
])('A Service that %s is refused for merging: no endpoints could join it.', async (words, spec) => {
  await bench.cluster.create({ ...objectRef('Service', 'shop', 'web'), metadata: { name: 'web', namespace: 'shop' }, spec } as KubeObject);
  await expect(ensure('a', ['east'], { merge: true })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`Service shop/web on peer west, which ${words}`) as string,
    hint: expect.stringContaining('without a name') as string,
  });
  await expect(bench.inventory()).resolves.toEqual([]);
});

test('Who undoes a run takes nothing that another workflow has claimed, whatever id and run somebody gives it.', async () => {
  await ensure('a', ['east']);
  const before = await bench.inventory();
  const forged = { ...claimant('a'), by: 'nobody' };
  await bench.run('releaseImports', { claimant: forged, peer: bench.peer, scope: 'run', selection: {} });
  await expect(bench.inventory()).resolves.toEqual(before);
});

describe('A claim whose need is none of an Import', () => {
  const key = 'claim.skyfabric.io/a';
  const release = (selection: object): ReturnType<typeof bench.run<'releaseImports'>> =>
    bench.run('releaseImports', { claimant: claimant('b'), peer: bench.peer, scope: 'all', selection });

  beforeEach(async () => {
    await ensure('a', ['east']);
    const note = JSON.stringify({ by: 'connection/shop/web', run: 'earlier', need: {} });
    await bench.cluster.patch(REF, { metadata: { annotations: { [key]: note } } });
  });

  const CONFLICT = { code: 'conflict', message: expect.stringContaining(key), object: `Import ${WEB.namespace}/${WEB.name}` };

  test.each<[string, () => Promise<unknown>]>([
    ['claims it too', () => ensure('b', ['east'])],
    ['looks at its claims', () => bench.run('observeClaims', { fabric: 'default', peer: bench.peer, selection: { remotes: ['east'] } })],
    ['takes a remote from it', () => release({ remotes: ['east'] })],
  ])('is told to whoever %s, and stays.', async (_what, act) => {
    await expect(act()).rejects.toMatchObject(CONFLICT);
    expect((await bench.cluster.get(REF))?.metadata.annotations?.[key]).toContain('"need":{}');
  });

  test('stops nobody whom it does not concern.', async () => {
    const other = { ...WEB, name: 'other' };
    await ensure('c', ['east'], { service: other });
    const selection = { service: other };
    const { objects } = await bench.run('observeClaims', { fabric: 'default', peer: bench.peer, selection });
    expect(objects.map(({ metadata }) => metadata.name)).toEqual(['other']);
    const input = { claimant: claimant('c'), peer: bench.peer, scope: 'run' as const, selection };
    await expect(bench.run('releaseImports', input)).resolves.toMatchObject({ changed: true });
    await expect(bench.cluster.get(objectRef('Import', WEB.namespace, 'other'))).resolves.toBeUndefined();
  });

  test('stops nobody who takes everything away.', async () => {
    await expect(release({})).resolves.toMatchObject({ changed: true });
    await expect(bench.cluster.get(REF)).resolves.toBeUndefined();
  });
});
