import type { Access } from '../../../src/model/connection';
import { ANYBODY, claimant, objectRef, startBench, WEB, type Bench } from './bench';

let bench: Bench;
beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.close());

const ensure = (
  access: Access,
  id = 'a',
  sources: readonly string[] = ['east'],
  importers: readonly string[] = ['south'],
): ReturnType<typeof bench.run<'ensureAccess'>> =>
  bench.run('ensureAccess', { claimant: claimant(id), peer: bench.peer, service: WEB, sources, importers, access, adopt: false });
const names = async (): Promise<string[]> => (await bench.inventory()).map(({ object }) => object);

test('A peer on both sides gets a policy for each, once.', async () => {
  await expect(ensure(ANYBODY)).resolves.toEqual({ changed: true, note: 'created' });
  await expect(ensure(ANYBODY)).resolves.toEqual({ changed: false, note: 'unchanged' });
  await expect(names()).resolves.toEqual(['AccessPolicy shop/a-egress', 'AccessPolicy shop/a-ingress']);
});

test('Withdrawing imports takes egress policies, withdrawing exports ingress policies, of this claim only.', async () => {
  await ensure(ANYBODY);
  await ensure(ANYBODY, 'b');
  await bench.run('releaseImports', { claimant: claimant('a'), peer: bench.peer, scope: 'run', selection: { service: WEB } });
  await expect(names()).resolves.toEqual(['AccessPolicy shop/a-ingress', 'AccessPolicy shop/b-egress', 'AccessPolicy shop/b-ingress']);
  await bench.run('releaseExports', { claimant: claimant('a'), peer: bench.peer, scope: 'run', selection: { service: WEB } });
  await expect(names()).resolves.toEqual(['AccessPolicy shop/b-egress', 'AccessPolicy shop/b-ingress']);
});

test('Privileged policies are cluster-wide, and go with the claim too.', async () => {
  await ensure({ ...ANYBODY, privileged: true });
  await expect(names()).resolves.toEqual(['PrivilegedAccessPolicy a-egress', 'PrivilegedAccessPolicy a-ingress']);
  await expect(ensure(ANYBODY)).rejects.toMatchObject({ code: 'conflict', object: 'PrivilegedAccessPolicy a-egress' });
  await bench.run('releaseImports', {
    claimant: claimant('a'),
    peer: bench.peer,
    scope: 'claim',
    selection: { service: { ...WEB, name: 'other' } },
  });
  await expect(names()).resolves.toHaveLength(2);
  for (const step of ['releaseImports', 'releaseExports'] as const)
    await bench.run(step, { claimant: claimant('a'), peer: bench.peer, scope: 'claim', selection: { service: WEB } });
  await expect(names()).resolves.toEqual([]);
});

test('Client labels that ClusterLink cannot select by are refused before anything is written.', async () => {
  const access: Access = { ...ANYBODY, clients: { labels: { 'team.example/name': 'a' } } };
  await expect(ensure(access)).rejects.toMatchObject({ code: 'invalid' });
  expect(bench.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
});

test('A run that changes a claim gives its earlier need back when it is undone.', async () => {
  await ensure(ANYBODY);
  const before = await bench.spec(objectRef('AccessPolicy', 'shop', 'a-egress'));
  await bench.run('ensureAccess', {
    claimant: claimant('a', 'second'),
    peer: bench.peer,
    service: WEB,
    sources: ['east', 'north'],
    importers: [],
    access: ANYBODY,
    adopt: false,
  });
  await expect(bench.spec(objectRef('AccessPolicy', 'shop', 'a-egress'))).resolves.not.toEqual(before);
  await bench.run('releaseImports', { claimant: claimant('a', 'second'), peer: bench.peer, scope: 'run', selection: { service: WEB } });
  await expect(bench.spec(objectRef('AccessPolicy', 'shop', 'a-egress'))).resolves.toEqual(before);
});
