import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoreV1Api, KubeConfig, KubernetesObjectApi, VersionApi } from '@kubernetes/client-node';
import { startApiServer, writeKubeconfig, type ApiServer } from '../../../src/playground/api-server/server';
import { call } from '../../conformance/raw-client';

let west: ApiServer;
let east: ApiServer;
const seen: string[] = [];

beforeAll(async () => {
  [west, east] = await Promise.all([
    startApiServer({
      name: 'west',
      onRequest: (request) => seen.push(`${request.verb} ${request.resource ?? request.path} ${request.name ?? ''}`.trim()),
    }),
    startApiServer({ name: 'east', clock: () => new Date('2030-01-02T03:04:05.678Z') }),
  ]);
});

afterAll(() => Promise.all([west.close(), east.close()]));

const configMap = (name: string, data: Record<string, string> = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});
const MAPS = '/api/v1/namespaces/default/configmaps';

test('the Kubernetes client reads one kubeconfig for all clusters, and the clusters are apart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
  try {
    const path = join(folder, 'config');
    await writeKubeconfig(path, [west, east]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, 'utf8')).toContain('current-context: west');
    const config = new KubeConfig();
    config.loadFromFile(path);
    const uids = [];
    for (const context of ['west', 'east']) {
      config.setCurrentContext(context);
      uids.push((await config.makeApiClient(CoreV1Api).readNamespace({ name: 'kube-system' })).metadata?.uid);
    }
    expect(uids).toEqual([west.clusterUid, east.clusterUid]);
    expect(west.clusterUid).not.toBe(east.clusterUid);
    expect((await config.makeApiClient(VersionApi).getCode()).gitVersion).toMatch(/^v1\.\d+\.\d+\+simulated$/);

    const objects = KubernetesObjectApi.makeApiClient(config);
    const created = await objects.create({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'sealed', namespace: 'default' },
      stringData: { word: 'open' },
    } as never);
    expect(created).toMatchObject({ type: 'Opaque', data: { word: Buffer.from('open').toString('base64') } });
    await objects.delete(created);
    await expect(
      objects.read({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'sealed', namespace: 'default' } }),
    ).rejects.toMatchObject({ code: 404 });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a request without a known token is unauthorized', async () => {
  const answer = await call(west, 'GET', '/api/v1/namespaces', undefined, { token: 'nobody' });
  expect(answer.status).toBe(401);
  expect(answer.body).toMatchObject({ kind: 'Status', status: 'Failure', reason: 'Unauthorized', code: 401 });
});

test('health, version and discovery are answered', async () => {
  for (const path of ['/livez', '/readyz']) expect((await call(west, 'GET', path)).text).toBe('ok');
  expect((await call(west, 'GET', '/api')).body.versions).toEqual(['v1']);
  const groups = (await call(west, 'GET', '/apis')).body.groups.map((group: { name: string }) => group.name);
  expect(groups).toEqual(expect.arrayContaining(['apps', 'batch', 'rbac.authorization.k8s.io', 'apiextensions.k8s.io']));
  const { resources } = (await call(west, 'GET', '/apis/apps/v1')).body;
  expect(resources.map((resource: { name: string }) => resource.name)).toEqual([
    'deployments',
    'deployments/status',
    'replicasets',
    'replicasets/status',
    'statefulsets',
    'statefulsets/status',
    'daemonsets',
    'daemonsets/status',
  ]);
});

test('unknown resources of a served group answer with a Status, unknown groups with plain text', async () => {
  const unknown = await call(west, 'GET', '/api/v1/namespaces/default/gadgets');
  expect(unknown.body).toMatchObject({ code: 404, reason: 'NotFound', message: 'the server could not find the requested resource' });
  const group = await call(west, 'GET', '/apis/gadgets.example/v1/gadgets');
  expect([group.status, group.text]).toEqual([404, '404 page not found\n']);
});

test('objects get their metadata from the server', async () => {
  const { status, body } = await call(east, 'POST', MAPS, { ...configMap('stamped'), metadata: { generateName: 'stamped-', uid: 'mine' } });
  expect(status).toBe(201);
  expect(body.metadata.name).toMatch(/^stamped-[a-z0-9]{5}$/);
  expect(body.metadata).toMatchObject({ namespace: 'default', creationTimestamp: '2030-01-02T03:04:05Z' });
  expect(body.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
  expect(Number(body.metadata.resourceVersion)).toBeGreaterThan(0);
});

test('creating twice, reading nothing and writing over a newer state are told apart', async () => {
  await call(west, 'POST', MAPS, configMap('once'));
  expect((await call(west, 'POST', MAPS, configMap('once'))).body).toMatchObject({
    code: 409,
    reason: 'AlreadyExists',
    message: 'configmaps "once" already exists',
    details: { name: 'once', kind: 'configmaps' },
  });
  expect((await call(west, 'GET', `${MAPS}/none`)).body).toMatchObject({ code: 404, message: 'configmaps "none" not found' });
  expect((await call(west, 'PUT', `${MAPS}/none`, configMap('none'))).status).toBe(404);
  const read = (await call(west, 'GET', `${MAPS}/once`)).body;
  const changed = await call(west, 'PUT', `${MAPS}/once`, { ...read, data: { a: '1' } });
  expect(changed.status).toBe(200);
  const stale = await call(west, 'PUT', `${MAPS}/once`, { ...read, data: { a: '2' } });
  expect(stale.body).toMatchObject({ code: 409, reason: 'Conflict' });
  expect(stale.body.message).toBe(
    'Operation cannot be fulfilled on configmaps "once": the object has been modified; please apply your changes to the latest version and try again',
  );
});

test('a write that changes nothing leaves the resourceVersion alone', async () => {
  const { body } = await call(west, 'POST', MAPS, configMap('same', { a: '1' }));
  const again = await call(west, 'PUT', `${MAPS}/same`, body);
  expect(again.body.metadata.resourceVersion).toBe(body.metadata.resourceVersion);
});

test('a dry run answers and stores nothing', async () => {
  expect((await call(west, 'POST', `${MAPS}?dryRun=All`, configMap('dry'))).status).toBe(201);
  expect((await call(west, 'GET', `${MAPS}/dry`)).status).toBe(404);
});

test('bodies that do not fit the request are refused', async () => {
  const outcomes = await Promise.all([
    call(west, 'POST', MAPS, '{', {}),
    call(west, 'POST', MAPS, { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'x' } }),
    call(west, 'POST', MAPS, { ...configMap('x'), metadata: { name: 'x', namespace: 'elsewhere' } }),
    call(west, 'PUT', `${MAPS}/x`, configMap('y')),
    call(west, 'POST', MAPS, { ...configMap('x'), metadata: { name: 'x', labels: { a: 1 } } }),
    call(west, 'POST', MAPS, configMap('x'), { contentType: 'application/vnd.kubernetes.protobuf' }),
    call(west, 'POST', MAPS, configMap('x', { a: 'x'.repeat(4 * 1024 * 1024) })),
    call(west, 'POST', '/api/v1/namespaces/nowhere/configmaps', configMap('x')),
    call(west, 'POST', '/api/v1/configmaps', configMap('x')),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual([400, 400, 400, 400, 400, 415, 413, 404, 405]);
});

test.each([
  ['a name', { name: 'Not_A_Name' }, 'metadata.name'],
  ['a label', { name: 'x', labels: { a: 'two words' } }, 'metadata.labels'],
  ['a label key', { name: 'x', labels: { 'a b': 'c' } }, 'metadata.labels'],
  ['annotations of more than 256 KiB', { name: 'x', annotations: { a: 'x'.repeat(256 * 1024) } }, 'metadata.annotations'],
  [
    'an owner without uid',
    { name: 'x', ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p' }] },
    'metadata.ownerReferences[0].uid',
  ],
])('%s that Kubernetes would refuse is invalid', async (_what, metadata, field) => {
  const { body } = await call(west, 'POST', MAPS, { ...configMap('x'), metadata });
  expect(body).toMatchObject({ code: 422, reason: 'Invalid', details: { kind: 'ConfigMap', causes: [{ field }] } });
});

test('Secrets hold base64 only, and keep their type', async () => {
  const path = '/api/v1/namespaces/default/secrets';
  const bad = await call(west, 'POST', path, { metadata: { name: 'bad' }, data: { a: 'not base64!' } });
  expect(bad.body).toMatchObject({ code: 400, message: expect.stringContaining('illegal base64 data') as string });
  const { body } = await call(west, 'POST', path, { metadata: { name: 'typed' }, type: 'Opaque', data: { a: 'YQ==' } });
  const retyped = await call(west, 'PUT', `${path}/typed`, { ...body, type: 'other' });
  expect(retyped.body).toMatchObject({ code: 422, details: { causes: [{ field: 'type' }] } });
});

test('every request is told to the recorder', async () => {
  seen.length = 0;
  await call(west, 'POST', MAPS, configMap('told'));
  await call(west, 'DELETE', `${MAPS}/told`);
  await call(west, 'GET', '/version');
  expect(seen).toEqual(['create configmaps told', 'delete configmaps told', 'get /version']);
});

test('a token that has expired is answered 401, and a new one of the same account is not', async () => {
  const account = { user: 'worker', rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }] };
  const [first, second] = [west.addToken(account), west.addToken(account)];
  const status = async (token: string) => (await call(west, 'GET', MAPS, undefined, { token })).status;
  expect(await status(first)).toBe(200);
  west.expireToken(first);
  expect([await status(first), await status(second)]).toEqual([401, 200]);
});

test('every write is told before its answer, with the object as it was stored', async () => {
  const told: string[] = [];
  const stop = west.onWrite(({ type, object }) => told.push(`${type} ${object.kind} ${object.metadata.name}`));
  await call(west, 'POST', MAPS, configMap('told'));
  expect(told).toEqual(['ADDED ConfigMap told']);
  expect(west.objects().map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toContain('ConfigMap told');
  stop();
  await call(west, 'DELETE', `${MAPS}/told`);
  expect(told).toHaveLength(1);
  expect(west.objects().map(({ metadata }) => metadata.name)).not.toContain('told');
});
