import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cluster } from '../../src/kubernetes/cluster';
import { ClusterPool } from '../../src/kubernetes/cluster-pool';
import { startApiServer, writeKubeconfig, type ApiServer } from '../../src/playground/api-server/server';
import { startScriptedServer } from './scripted-server';

const requests: string[] = [];
const directory = mkdtempSync(join(tmpdir(), 'skyfabric-pool-'));
const kubeconfig = join(directory, 'config');
const pool = new ClusterPool();
let east: ApiServer;
let west: ApiServer;
beforeAll(async () => {
  const onRequest = ({ server, method, path }: { server: string; method: string; path: string }): void => {
    requests.push(`${server}: ${method} ${path}`);
  };
  [east, west] = await Promise.all([startApiServer({ name: 'east', onRequest }), startApiServer({ name: 'west', onRequest })]);
});
afterAll(async () => {
  await pool.close();
  await Promise.all([east.close(), west.close()]);
  rmSync(directory, { recursive: true, force: true });
});
afterEach(() => requests.splice(0));

const IDENTITY = 'GET /api/v1/namespaces/kube-system';
const demo = { apiVersion: 'v1', kind: 'Namespace', name: 'demo' };
const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'demo' } };

/** Makes context `west` lead to a server. */
const lead = (to: ApiServer): Promise<void> =>
  writeKubeconfig(kubeconfig, [{ name: 'west', url: to.url, caPem: to.caPem, token: to.token }]);
/** The client of context `west`, which must lead to the cluster of this uid. */
const clientOf = (clusterUid: string | undefined): Cluster => pool.cluster({ context: 'west', kubeconfig, name: 'paris', clusterUid });

test.each<[string, (cluster: Cluster) => Promise<unknown>]>([
  ['get', (cluster) => cluster.get(demo)],
  ['list', (cluster) => cluster.list({ apiVersion: 'v1', kind: 'Namespace' })],
  ['watch', (cluster) => cluster.watch({ apiVersion: 'v1', kind: 'Namespace' }, '1').next()],
  ['log', (cluster) => cluster.podLog({ ...demo, kind: 'Pod', namespace: 'demo' }, { container: 'c', tailLines: 1, limitBytes: 1 })],
  ['create', (cluster) => cluster.create(object)],
  ['replace', (cluster) => cluster.replace(object)],
  ['apply', (cluster) => cluster.apply(object)],
  ['patch', (cluster) => cluster.patch(demo, {})],
  ['delete', (cluster) => cluster.delete(demo)],
  ['request', (cluster) => cluster.request({ method: 'POST', path: '/api/v1/namespaces', body: object, about: demo })],
])('another cluster than the one that is meant gets no %s, however often it is tried', async (_name, ask) => {
  await lead(east);
  const cluster = clientOf(west.clusterUid);
  for (const _attempt of [1, 2]) {
    await expect(ask(cluster)).rejects.toMatchObject({
      code: 'conflict',
      retryable: false,
      peer: 'paris',
      message:
        `Context west of ${kubeconfig} leads to another cluster than that of peer paris: ` +
        `to ${new URL(east.url).host}, where kube-system has the uid ${east.clusterUid} and not ${west.clusterUid}.`,
      hint: 'Mend the context; if the cluster was made anew, leave by `skyfabric teardown --peer paris --abandon` and bootstrap the peer again.',
    });
  }
  expect(requests).toEqual([`east: ${IDENTITY}`, `east: ${IDENTITY}`]);
});

test('which cluster it is that is meant is asked once for each kubeconfig, whoever asks then', async () => {
  await lead(east);
  await expect(clientOf(west.clusterUid).get(demo)).rejects.toMatchObject({ code: 'conflict' });
  await lead(west);
  for (const _client of [1, 2]) for (const _request of [1, 2]) await clientOf(west.clusterUid).get(demo);
  expect(requests.filter((request) => request.endsWith(IDENTITY))).toEqual([`east: ${IDENTITY}`, `west: ${IDENTITY}`]);
  // It leads elsewhere again: what was known of the kubeconfig before is not relied on.
  await lead(east);
  await expect(clientOf(west.clusterUid).delete(demo)).rejects.toMatchObject({ code: 'conflict' });
  // And who means that cluster is let in by the same client.
  await expect(clientOf(east.clusterUid).get(demo)).resolves.toBeUndefined();
});

test('who means any cluster is not asked which', async () => {
  await lead(west);
  await clientOf(undefined).get(demo);
  expect(requests).toEqual(['west: GET /api/v1/namespaces/demo']);
});

test('a server without kube-system is another cluster, and one that does not answer is none', async () => {
  let status = 404;
  const server = await startScriptedServer((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        kind: 'Status',
        apiVersion: 'v1',
        code: status,
        reason: 'NotFound',
        details: { name: 'kube-system', kind: 'namespaces' },
      }),
    );
  });
  try {
    const cluster = server.pool.cluster({ context: 'scripted', kubeconfig: server.kubeconfig(), clusterUid: 'uid' });
    // A missing object is no error of a deletion: here it must be one.
    await expect(cluster.delete(demo)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/that of peer scripted: to .*, which has no namespace kube-system and not uid\.$/) as unknown,
    });
    status = 503;
    await expect(cluster.delete(demo)).rejects.toMatchObject({ code: 'unavailable' });
    expect(server.requests).toEqual([IDENTITY, IDENTITY]);
  } finally {
    await server.close();
  }
});
