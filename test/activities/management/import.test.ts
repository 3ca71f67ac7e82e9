import type { KubeObject } from '../../../src/kubernetes/kube-object';
import { ANYBODY, claimant, claimsOn, deployWeb, GATEWAYS, objectRef, startBench, WEB, type Bench } from './bench';

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
  await expect(ensure('a', ['east'], { merge: true })).rejects.toMatchObject({ code: 'pending', object: 'Service shop/web' });
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

test('Without a control plane, what it made for the import is removed and told.', async () => {
  await ensure('a', ['east']);
  const orphan = await bench.cluster.get(objectRef('Service', 'shop', 'web'));
  await bench.cluster.patchStatus(
    { apiVersion: 'apps/v1', kind: 'Deployment', namespace: GATEWAYS, name: 'cl-controlplane' },
    { status: { replicas: 0 } },
  );
  bench.stopControlplane();
  const { note } = await bench.run('releaseImports', { claimant: claimant('a'), peer: bench.peer, scope: 'claim', selection: {} });
  expect(orphan).toBeDefined();
  expect(note).toBe('removed; cl-controlplane does not run, so Service shop/web went by hand');
  await expect(bench.cluster.get(objectRef('Service', 'shop', 'web'))).resolves.toBeUndefined();
});
