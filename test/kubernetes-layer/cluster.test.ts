import type { KubeObject, ObjectRef } from '../../src/kubernetes/kube-object';
import { isAlreadyExists, isConflict, isExpired, isResourceMissing } from '../../src/kubernetes/kubernetes-errors';
import { collectionPath, objectPath } from '../../src/kubernetes/resource-path';
import { writeKubeconfig } from '../../src/playground/api-server/server';
import { answer, startScriptedServer } from './scripted-server';
import type { SimulatedCluster } from './simulated-cluster';
import { startSimulatedCluster } from './simulated-cluster';

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

const REF: ObjectRef = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'prices' };
const config = (data: Record<string, string>, name = 'prices'): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', labels: { set: 'test' } },
  data,
});

let simulated: SimulatedCluster;
beforeAll(async () => {
  simulated = await startSimulatedCluster({ watchWindow: 5 });
});
afterAll(() => simulated.close());
beforeEach(async () => {
  await simulated.cluster.delete(REF);
});

test('an object that is missing reads as undefined, and deletes as false', async () => {
  expect(await simulated.cluster.get(REF)).toBeUndefined();
  expect(await simulated.cluster.delete(REF)).toBe(false);
});

test('an object of a kind that the cluster does not know is an error of its own', async () => {
  const peer = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Peer', namespace: 'default', name: 'east' };
  const error = await simulated.cluster.get(peer).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'not_found', message: expect.stringContaining('does not know the kind Peer') as unknown });
  expect(isResourceMissing(error)).toBe(true);
  expect(await simulated.cluster.delete(peer)).toBe(false);
});

test('a create that meets an existing object says so', async () => {
  await simulated.cluster.create(config({ a: '1' }));
  const error = await simulated.cluster.create(config({ a: '2' })).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'conflict' });
  expect(isAlreadyExists(error)).toBe(true);
});

test('a replace with an old version loses, and is told apart', async () => {
  const first = await simulated.cluster.create(config({ a: '1' }));
  await simulated.cluster.replace({ ...first, data: { a: '2' } });
  const error = await simulated.cluster.replace({ ...first, data: { a: '3' } }).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: 'unavailable' });
  expect(isConflict(error)).toBe(true);
});

test('apply creates, says when nothing changed, changes, and takes away what it no longer names', async () => {
  const { cluster } = simulated;
  expect(await cluster.apply(config({ a: '1', b: '1' }))).toMatchObject({ changed: true });
  expect(await cluster.apply(config({ a: '1', b: '1' }))).toMatchObject({ changed: false });
  expect(await cluster.apply(config({ a: '2' }), { dryRun: true })).toMatchObject({ changed: true, object: { data: { a: '2' } } });
  expect((await cluster.get<ConfigMap>(REF))?.data).toEqual({ a: '1', b: '1' });
  expect(await cluster.apply(config({ a: '1', b: '1' }), { dryRun: true })).toMatchObject({ changed: false });
  expect(await cluster.apply(config({ a: '2' }))).toMatchObject({ changed: true, object: { data: { a: '2' } } });
  expect((await cluster.get<ConfigMap>(REF))?.data).toEqual({ a: '2' });
});

test('apply without force does not take fields from another manager', async () => {
  await simulated.cluster.request({
    method: 'PATCH',
    path: objectPath(REF),
    query: { fieldManager: 'somebody', force: 'true' },
    contentType: 'application/apply-patch+yaml',
    body: config({ a: 'theirs' }),
    about: REF,
  });
  await expect(simulated.cluster.apply(config({ a: 'ours' }), { force: false })).rejects.toMatchObject({ code: 'conflict' });
  expect(await simulated.cluster.apply(config({ a: 'ours' }))).toMatchObject({ changed: true });
});

test('patches merge into the object, and only the status when it is meant', async () => {
  await simulated.cluster.create(config({ a: '1', b: '1' }));
  expect(await simulated.cluster.patch<ConfigMap>(REF, { data: { a: null, c: '1' } })).toMatchObject({ data: { b: '1', c: '1' } });
  await expect(simulated.cluster.patch({ ...REF, name: 'absent' }, {})).rejects.toMatchObject({ code: 'not_found' });
  const service: ObjectRef = { apiVersion: 'v1', kind: 'Service', namespace: 'default', name: 'front' };
  await simulated.cluster.create({
    ...service,
    metadata: { name: 'front', namespace: 'default' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
  });
  const status = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } };
  expect(await simulated.cluster.patchStatus(service, { status, spec: { ports: [] } })).toMatchObject({
    status,
    spec: { ports: [{ port: 80 }] },
  });
});

test('a delete with preconditions spares a later object of the same name, and a changed one', async () => {
  const first = await simulated.cluster.create(config({ a: '1' }));
  const changed = await simulated.cluster.patch(REF, { data: { a: '2' } });
  const stale = await simulated.cluster.delete(REF, { resourceVersion: first.metadata.resourceVersion }).catch((caught: unknown) => caught);
  expect(isConflict(stale)).toBe(true);
  const other = await simulated.cluster.delete(REF, { uid: 'other' }).catch((caught: unknown) => caught);
  expect(isConflict(other)).toBe(true);
  const { uid, resourceVersion } = changed.metadata;
  expect(await simulated.cluster.delete(REF, { uid, resourceVersion })).toBe(true);
});

test('lists are selected by labels and fields, and items carry their kind', async () => {
  await simulated.cluster.create(config({}, 'prices'));
  const { items } = await simulated.cluster.list({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    labelSelector: 'set=test',
    fieldSelector: 'metadata.name=prices',
  });
  expect(items).toMatchObject([{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'prices' } }]);
  expect((await simulated.cluster.list({ apiVersion: 'v1', kind: 'ConfigMap', labelSelector: 'set=none' })).items).toEqual([]);
});

test('long lists are read page by page', async () => {
  const names = Array.from({ length: 3 }, (_value, index) => `page-${index}`);
  const server = await startScriptedServer((request, response) => {
    const token = new URL(request.url ?? '', 'https://host').searchParams.get('continue');
    const page = Number(token ?? '0');
    answer(response, 200, {
      metadata: { resourceVersion: '9', ...(page < 2 ? { continue: String(page + 1) } : {}) },
      items: [{ metadata: { name: names[page] } }],
    });
  });
  try {
    const { items, resourceVersion } = await server.client().list({ apiVersion: 'v1', kind: 'ConfigMap' });
    expect(items.map(({ metadata }) => metadata.name)).toEqual(names);
    expect(resourceVersion).toBe('9');
  } finally {
    await server.close();
  }
});

test('an answer that is no JSON is told as such', async () => {
  const server = await startScriptedServer((_request, response) => response.end('<html>log in</html>'));
  try {
    await expect(server.client().get(REF)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('something that is not JSON') as unknown,
    });
  } finally {
    await server.close();
  }
});

test.each([
  ...['null', '[]', '7', '"text"', '{}', '{"items":[],"metadata":null}', '{"items":7,"metadata":{"resourceVersion":"1"}}'],
  ...['[null]', '[{"spec":{}}]', '[{"metadata":{"name":7}}]'].map((items) => `{"items":${items},"metadata":{"resourceVersion":"1"}}`),
  '{"items":[],"metadata":{"resourceVersion":"1","continue":"again and again"}}',
])('a list that is %s is told as garbled, by host and port', async (text) => {
  const server = await startScriptedServer((_request, response) => response.end(text));
  try {
    await expect(server.client().list({ apiVersion: 'v1', kind: 'ConfigMap' })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ answered for ConfigMap list with something that is not JSON/) as unknown,
    });
  } finally {
    await server.close();
  }
});

test("a proxy's own 404 page is neither a missing object nor a missing kind", async () => {
  const server = await startScriptedServer((_request, response) => response.writeHead(404, { 'content-type': 'text/html' }).end('<html>'));
  try {
    const peer = { apiVersion: 'clusterlink.net/v1alpha1', kind: 'Peer', namespace: 'default', name: 'east' };
    for (const ref of [REF, peer]) {
      await expect(server.client().get(ref)).rejects.toMatchObject({ code: 'unavailable' });
      await expect(server.client().delete(ref)).rejects.toMatchObject({ code: 'unavailable' });
    }
  } finally {
    await server.close();
  }
});

test('a watch from a version that is too old is told apart', async () => {
  const { resourceVersion } = await simulated.cluster.list({ apiVersion: 'v1', kind: 'ConfigMap' });
  for (let count = 0; count < 10; count += 1) await simulated.cluster.apply(config({ count: String(count) }));
  const watch = simulated.cluster.watch({ apiVersion: 'v1', kind: 'ConfigMap' }, resourceVersion);
  const error = await watch.next().catch((caught: unknown) => caught);
  expect(isExpired(error)).toBe(true);
});

test('an object in a namespace that is being deleted is pending', async () => {
  const namespace: ObjectRef = { apiVersion: 'v1', kind: 'Namespace', name: 'leaving' };
  await simulated.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'leaving' } });
  const held = { ...config({}), metadata: { name: 'held', namespace: 'leaving', finalizers: ['skyfabric.test/hold'] } };
  await simulated.cluster.create(held);
  await simulated.cluster.delete(namespace);
  await expect(simulated.cluster.create({ ...held, metadata: { name: 'late', namespace: 'leaving' } })).rejects.toMatchObject({
    code: 'pending',
  });
  await simulated.cluster.patch({ ...REF, namespace: 'leaving', name: 'held' }, { metadata: { finalizers: null } });
});

test('a user without the permission is told which one is missing', async () => {
  const token = simulated.api.addToken({ user: 'reader', rules: [] });
  const server = { ...simulated.api, token };
  await writeKubeconfig(`${simulated.kubeconfig}-reader`, [server]);
  const reader = simulated.pool.cluster({ context: 'west', kubeconfig: `${simulated.kubeconfig}-reader` });
  await expect(reader.list({ apiVersion: 'v1', kind: 'Secret', namespace: 'default' })).rejects.toMatchObject({
    code: 'forbidden',
    message: expect.stringContaining('forbids to list secrets in namespace default') as unknown,
  });
});

test('paths are built for core and grouped, namespaced and cluster-wide kinds, and unknown kinds are refused', () => {
  expect(objectPath(REF)).toBe('/api/v1/namespaces/default/configmaps/prices');
  expect(objectPath({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: 'a:b' })).toBe(
    '/apis/rbac.authorization.k8s.io/v1/clusterroles/a%3Ab',
  );
  expect(collectionPath({ apiVersion: 'clusterlink.net/v1alpha1', kind: 'Import' })).toBe('/apis/clusterlink.net/v1alpha1/imports');
  expect(() => collectionPath({ apiVersion: 'v1', kind: 'Gadget' })).toThrow(expect.objectContaining({ code: 'internal' }) as Error);
  expect(() => objectPath({ apiVersion: 'v1', kind: 'Pod', name: 'p' })).toThrow(expect.objectContaining({ code: 'internal' }) as Error);
});

test('of a log the wanted lines are asked for, and come as they are', async () => {
  const log = '2026-01-02T03:04:05Z {"not": "an object"\n';
  const server = await startScriptedServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' }).end(log);
  });
  try {
    const pod = { apiVersion: 'v1', kind: 'Pod', namespace: 'cl', name: 'web-1' };
    expect(await server.client().podLog(pod, { container: 'app', previous: true, tailLines: 10, limitBytes: 1_000 })).toBe(log);
    expect(server.requests).toEqual([
      'GET /api/v1/namespaces/cl/pods/web-1/log?container=app&timestamps=true&previous=true&tailLines=10&limitBytes=1000',
    ]);
  } finally {
    await server.close();
  }
});
