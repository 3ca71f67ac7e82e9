import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { DEFUSED } from '../../../src/clusterlink/compose-peering';
import type { KubeObject } from '../../../src/kubernetes/kube-object';
import { differences } from '../../../src/model/inventory';
import type { GatewayEndpoint } from '../../../src/model/peer';
import { generateRsaKeyPem } from '../../../src/pki/key-pair';
import { createServingCertificate } from '../../../src/pki/serving-certificate';
import { removePeer } from '../../../activities/remove-peer';
import { claimant, claimsOn, GATEWAYS, objectRef, startBench, WEB, type Bench } from './bench';

const EAST: GatewayEndpoint = { host: '192.0.2.1', port: 443 };
const REF = objectRef('Peer', GATEWAYS, 'east');
let bench: Bench;

beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.close());

const ensure = (id: string, endpoint = EAST, run?: string, probe = false): ReturnType<typeof bench.run<'ensurePeerings'>> =>
  bench.run('ensurePeerings', { claimant: claimant(id, run), peer: bench.peer, remotes: [{ name: 'east', endpoint }], probe });
const release = (id: string, scope: 'run' | 'claim' | 'all' = 'claim'): ReturnType<typeof bench.run<'releasePeerings'>> =>
  bench.run('releasePeerings', { claimant: claimant(id), peer: bench.peer, scope, selection: { remotes: ['east'] } });
/** The Peer as it was when it was deleted. */
async function lastState(): Promise<KubeObject | undefined> {
  const query = { apiVersion: REF.apiVersion, kind: 'Peer', namespace: GATEWAYS };
  const { resourceVersion } = await bench.cluster.list(query);
  for await (const { type, object } of bench.cluster.watch(query, resourceVersion)) if (type === 'DELETED') return object;
  return undefined;
}
const writes = (): string[] =>
  bench.requests.filter(({ method, resource }) => method !== 'GET' && resource === 'peers').map(({ verb }) => verb);

const MOVED: GatewayEndpoint = { host: '192.0.2.9', port: 443 };

test('A second ensure changes nothing; a newly observed endpoint replaces the old one, which is back when the run is undone.', async () => {
  await expect(ensure('a')).resolves.toEqual({ changed: true, note: 'created' });
  await expect(ensure('a')).resolves.toEqual({ changed: false, note: 'unchanged' });
  const before = await bench.inventory();
  await expect(ensure('b', MOVED)).resolves.toEqual({ changed: true, note: 'changed' });
  await expect(release('b', 'run')).resolves.toMatchObject({ changed: true, gone: [] });
  await expect(bench.spec(REF)).resolves.toEqual({ gateways: [EAST] });
  await expect(bench.inventory()).resolves.toEqual(before);
});

test('A Peer is led back to where it led before the run, although the claim is an earlier run’s, and however often the run led it on.', async () => {
  await ensure('a', EAST, 'first');
  const before = await bench.inventory();
  await ensure('a', { host: '192.0.2.8', port: 443 });
  await ensure('a', MOVED);
  bench.requests.length = 0;
  await expect(ensure('a', MOVED)).resolves.toMatchObject({ changed: false });
  await expect(ensure('a', MOVED, 'next')).resolves.toMatchObject({ changed: false });
  expect(writes()).toEqual([]);
  const moved = await bench.inventory();
  expect(differences(before, moved, 'a', new Set())).toHaveLength(1);
  await expect(
    bench.run('releasePeerings', { claimant: claimant('a', 'next'), peer: bench.peer, scope: 'run', selection: {} }),
  ).resolves.toMatchObject({ changed: false });
  await expect(release('a', 'run')).resolves.toEqual({ changed: true, note: 'led back', gone: [] });
  await expect(bench.inventory()).resolves.toEqual(before);
  await expect(release('a', 'run')).resolves.toEqual({ changed: false, note: 'nothing to take back', gone: [] });
  expect(Object.keys(await claimsOn(bench, REF))).toEqual(['a']);
});

test('A Peer that somebody has led on since, by a run or by hand, is not led back.', async () => {
  await ensure('a', EAST, 'first');
  await ensure('a', MOVED);
  const last = { host: '192.0.2.7', port: 443 };
  await ensure('b', last);
  await expect(release('a', 'run')).resolves.toMatchObject({ changed: false });
  await expect(bench.spec(REF)).resolves.toEqual({ gateways: [last] });
  await bench.cluster.patch(REF, { spec: { gateways: [MOVED] } });
  await release('b', 'run');
  await expect(bench.spec(REF)).resolves.toEqual({ gateways: [MOVED] });
});

test.each([
  ['cannot be read', 'by hand'],
  [
    'holds what ClusterLink would not survive',
    JSON.stringify({ id: 'a', run: 'a-run', earlier: { gateways: [] }, now: { gateways: [EAST] } }),
  ],
])('A note of where a Peer led that %s leads nowhere, and stops nobody.', async (_what, note) => {
  await ensure('a', EAST, 'first');
  await bench.cluster.patch(REF, { metadata: { annotations: { 'skyfabric.io/changed': note } } });
  await expect(release('a', 'run')).resolves.toMatchObject({ changed: false });
  await expect(bench.spec(REF)).resolves.toEqual({ gateways: [EAST] });
  await ensure('b', MOVED);
  await release('b', 'run');
  await expect(bench.spec(REF)).resolves.toEqual({ gateways: [EAST] });
});

test('A reachable Peer is defused, seen to be unreachable, and only then deleted.', async () => {
  await bench.startControlplane();
  await ensure('a');
  await bench.run('awaitPeerings', { fabric: 'default', peer: bench.peer, remotes: [{ name: 'east', endpoint: EAST }] });
  bench.requests.length = 0;
  const last = lastState();
  await expect(release('a')).resolves.toEqual({ changed: true, note: 'removed', gone: ['east'] });
  expect(writes()).toEqual(['patch', 'delete']);
  await expect(last).resolves.toMatchObject({
    spec: { gateways: [DEFUSED] },
    status: { conditions: [{ type: 'PeerReachable', status: 'False' }] },
  });
});

test('A Peer that an Import still names is left as it is; a trial of new sources, which others take back, does not keep it.', async () => {
  await bench.startControlplane();
  await ensure('a');
  const source = { peer: bench.peer, service: WEB, sources: ['east'] };
  await bench.run('tryImport', { ...source, claimant: claimant('verification-1'), via: 'try-verification-1' });
  await bench.run('ensureImport', { ...source, claimant: claimant('c'), loadBalancing: 'round-robin', merge: false, adopt: false });
  bench.requests.length = 0;
  await expect(release('a')).rejects.toMatchObject({ code: 'in_use', object: `Import ${WEB.namespace}/${WEB.name}` });
  expect(writes()).toEqual([]);
  await bench.run('releaseImports', { claimant: claimant('c'), peer: bench.peer, scope: 'claim', selection: {} });
  await expect(release('a')).resolves.toMatchObject({ gone: ['east'] });
});

test('A Peer whose last claim is still needed by another one is not defused.', async () => {
  await ensure('a');
  await ensure('b');
  await release('a');
  expect(writes()).toEqual(['create', 'update', 'update']);
  await expect(bench.spec(REF)).resolves.toEqual({ gateways: [EAST] });
});

test('Somebody who claims a Peer while it is being removed keeps it, with the real endpoint.', async () => {
  await ensure('a');
  bench.faults.add({ match: { verb: 'delete', resource: 'peers', userAgent: /^skyfabric$/ }, fault: 'slow', delayMs: 300 });
  const released = release('a');
  while (!writes().includes('patch')) await new Promise((resolve) => setImmediate(resolve));
  while (JSON.stringify(await bench.spec(REF)) !== JSON.stringify({ gateways: [DEFUSED] }))
    await new Promise((resolve) => setImmediate(resolve));
  await ensure('b');
  await expect(released).resolves.toMatchObject({ changed: true, gone: [] });
  await expect(bench.spec(REF)).resolves.toEqual({ gateways: [EAST] });
  expect(Object.keys(await claimsOn(bench, REF))).toEqual(['b']);
});

test('A removal that was cut off after defusing is finished by the next one, or undone by restoring.', async () => {
  await ensure('a');
  const { objects } = await bench.run('observeClaims', { fabric: 'default', peer: bench.peer, selection: { remotes: ['east'] } });
  const before = await bench.inventory();
  bench.faults.add({ match: { verb: 'delete', resource: 'peers' }, fault: 'error-before' });
  await expect(release('a')).rejects.toMatchObject({ code: 'unavailable' });
  await expect(bench.spec(REF)).resolves.toEqual({ gateways: [DEFUSED] });
  const restore = { claimant: claimant('d'), peer: bench.peer, objects };
  await expect(bench.run('restoreObjects', restore)).resolves.toMatchObject({ changed: true });
  await expect(bench.inventory()).resolves.toEqual(before);
  await release('a');
  await expect(bench.inventory()).resolves.toEqual([]);
  await bench.run('restoreObjects', restore);
  await expect(bench.run('restoreObjects', restore)).resolves.toEqual({ changed: false, note: 'as it was' });
  await expect(bench.inventory()).resolves.toEqual(before);
});

test('A run takes back only what it set, and everything goes with scope all.', async () => {
  await ensure('a');
  await expect(
    bench.run('releasePeerings', { claimant: claimant('a', 'other-run'), peer: bench.peer, scope: 'run', selection: {} }),
  ).resolves.toMatchObject({ changed: false });
  await ensure('b');
  await expect(bench.run('releasePeerings', { claimant: claimant('x'), peer: bench.peer, scope: 'all', selection: {} })).resolves.toEqual({
    changed: true,
    note: 'removed',
    gone: ['east'],
  });
});

test('With scope all only the selected claims go, and a Peer that another one claims since is not gone.', async () => {
  await ensure('a');
  const { claims } = await bench.run('observeClaims', { fabric: 'default', peer: bench.peer, selection: { remotes: ['east'] } });
  await ensure('b');
  const selection = { remotes: ['east'], claims: claims.map(({ claim }) => claim) };
  const input = { claimant: claimant('x'), peer: bench.peer, scope: 'all' as const, selection };
  await expect(bench.run('releasePeerings', input)).resolves.toEqual({ changed: true, note: 'claims taken back', gone: [] });
  await expect(bench.spec(REF)).resolves.toEqual({ gateways: [EAST] });
  expect(Object.keys(await claimsOn(bench, REF))).toEqual(['b']);
  await expect(bench.run('releasePeerings', { ...input, selection: { ...selection, claims: [] } })).resolves.toMatchObject({ gone: [] });
  await release('b');
  await expect(bench.run('releasePeerings', input)).resolves.toEqual({ changed: false, note: 'nothing to take back', gone: ['east'] });
});

test('A Peer that somebody’s finalizer holds is gone; whoever wants it again is told that it is being deleted.', async () => {
  await ensure('a');
  await bench.cluster.patch(REF, { metadata: { finalizers: ['example.com/audit'] } });
  await expect(release('a')).resolves.toEqual({ changed: true, note: 'removed', gone: ['east'] });
  await expect(ensure('b')).rejects.toMatchObject({ code: 'pending', message: `Peer ${GATEWAYS}/east is being deleted.` });
  await bench.cluster.patch(REF, { metadata: { finalizers: null } });
  await expect(ensure('b')).resolves.toMatchObject({ note: 'created' });
});

test('A Peer that somebody deleted, and finalizers hold, is made harmless when its last claim is taken back, and not before.', async () => {
  await ensure('a');
  await ensure('b');
  await bench.cluster.patch(REF, { metadata: { finalizers: ['example.com/audit'] } });
  await bench.cluster.delete(REF);
  const releaseOf = (claims: readonly string[]): ReturnType<typeof bench.run<'releasePeerings'>> =>
    bench.run('releasePeerings', { claimant: claimant('x'), peer: bench.peer, scope: 'all', selection: { remotes: ['east'], claims } });
  await expect(releaseOf(['a'])).resolves.toMatchObject({ gone: [] });
  await expect(bench.spec(REF)).resolves.toEqual({ gateways: [EAST] });
  await expect(releaseOf(['a', 'b'])).resolves.toMatchObject({ gone: ['east'] });
  await expect(bench.spec(REF)).resolves.toEqual({ gateways: [DEFUSED] });
});

test('An Import whose claim somebody mangled keeps the Peers of its sources, and no others.', async () => {
  await ensure('a');
  const source = { peer: bench.peer, service: WEB, sources: ['east'] };
  await bench.startControlplane();
  await bench.run('ensureImport', { ...source, claimant: claimant('c'), loadBalancing: 'round-robin', merge: false, adopt: false });
  const ref = objectRef('Import', WEB.namespace, WEB.name);
  const note = JSON.stringify({ by: 'connect/c', run: 'c-run', need: {} });
  await bench.cluster.patch(ref, { metadata: { annotations: { 'claim.skyfabric.io/c': note } } });
  await expect(release('a')).rejects.toMatchObject({ code: 'in_use', object: `Import ${WEB.namespace}/${WEB.name}` });
  await bench.cluster.patch(ref, { spec: { sources: [] } });
  await expect(release('a')).resolves.toMatchObject({ gone: ['east'] });
});

test('A Peer of somebody else is a conflict, and is removed only by removePeer.', async () => {
  await bench.cluster.create({ ...REF, metadata: { name: 'east', namespace: GATEWAYS }, spec: { gateways: [EAST] } } as KubeObject);
  await expect(ensure('a')).rejects.toMatchObject({ code: 'conflict' });
  const { signal } = new AbortController();
  await expect(removePeer(bench.cluster, REF, signal)).resolves.toBe(true);
  await expect(removePeer(bench.cluster, REF, signal)).resolves.toBe(false);
});

test('Poison is refused before any request.', async () => {
  await expect(ensure('a', { host: 'not a host', port: 443 })).rejects.toMatchObject({ code: 'invalid' });
  await expect(ensure('a', { host: 'east.example', port: 0 })).rejects.toMatchObject({ code: 'invalid' });
  expect(bench.requests).toEqual([]);
});

describe('with a gateway that answers', () => {
  let gateway: Server;
  let endpoint: GatewayEndpoint;
  beforeEach(async () => {
    const key = await generateRsaKeyPem(2048);
    gateway = createServer(
      { key, cert: await createServingCertificate({ name: 'east', dnsNames: ['east'], ips: [], keyPem: key }) },
      (socket) => socket.end(),
    );
    await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
    endpoint = { host: '127.0.0.1', port: (gateway.address() as AddressInfo).port };
  });
  afterEach(() => new Promise((resolve) => gateway.close(resolve)));

  test('a Peer is made only when it answers as that peer.', async () => {
    const other = bench.run('ensurePeerings', {
      claimant: claimant('a'),
      peer: bench.peer,
      remotes: [{ name: 'south', endpoint }],
      probe: true,
    });
    await expect(other).rejects.toMatchObject({ code: 'unreachable', message: expect.stringContaining('answers as east') as string });
    await expect(ensure('a', endpoint, undefined, true)).resolves.toMatchObject({ changed: true });
    expect((await bench.inventory()).map(({ object }) => object)).toEqual([`Peer ${GATEWAYS}/east`]);
  });

  test('nothing is made for one that does not answer, and the error names host and port.', async () => {
    await new Promise((resolve) => gateway.close(resolve));
    await expect(ensure('a', endpoint, undefined, true)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(`127.0.0.1:${endpoint.port}`) as string,
    });
    await expect(bench.inventory()).resolves.toEqual([]);
  });
});
