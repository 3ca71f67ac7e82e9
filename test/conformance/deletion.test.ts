import { startTestServer } from '../support/backend';
import type { TestApiServer } from '../kubernetes/real-cluster';
import { call, eventually, type RawAnswer } from './raw-client';

let server: TestApiServer;
let count = 0;
let namespace = '';

beforeAll(async () => {
  server = await startTestServer({ name: 'west' });
});

afterAll(() => server.close());

beforeEach(async () => {
  namespace = `ns-${(count += 1)}`;
  await call(server, 'POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  await eventually(
    () => call(server, 'GET', path('serviceaccounts', 'default')),
    ({ status }) => status === 200,
  );
});

const path = (resource: string, name = ''): string => `/api/v1/namespaces/${namespace}/${resource}${name === '' ? '' : `/${name}`}`;
const jobs = (name = ''): string => `/apis/batch/v1/namespaces/${namespace}/jobs${name === '' ? '' : `/${name}`}`;
const status = async (at: string): Promise<number> => (await call(server, 'GET', at)).status;
const gone = (at: string): Promise<unknown> =>
  eventually(
    () => call(server, 'GET', at),
    (answer) => answer.status === 404,
  );
const create = async (resource: string, metadata: object): Promise<{ metadata: { uid: string; resourceVersion: string } }> =>
  (await call(server, 'POST', path(resource), { metadata })).body;
const ownedBy = (kind: string, name: string, uid: string, more = {}): object => ({
  ownerReferences: [{ apiVersion: 'v1', kind, name, uid, ...more }],
});

test('a deleted object answers with a Status that names it, a ServiceAccount with itself', async () => {
  const { metadata } = await create('secrets', { name: 's' });
  const { body } = await call(server, 'DELETE', path('secrets', 's'));
  expect(body).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: 's', kind: 'secrets', uid: metadata.uid },
  });
  expect((await call(server, 'DELETE', path('secrets', 's'))).body).toMatchObject({ code: 404, reason: 'NotFound' });
  await create('serviceaccounts', { name: 'robot' });
  expect((await call(server, 'DELETE', path('serviceaccounts', 'robot'))).body).toMatchObject({
    kind: 'ServiceAccount',
    metadata: { name: 'robot' },
  });
});

test('a deletion holds only for the uid and state that it names', async () => {
  const { metadata } = await create('secrets', { name: 's' });
  const remove = (preconditions: object): ReturnType<typeof call> => call(server, 'DELETE', path('secrets', 's'), { preconditions });
  expect((await remove({ uid: 'another' })).body).toMatchObject({
    code: 409,
    message: expect.stringContaining('the UID in the precondition (another) does not match the UID in record') as string,
  });
  expect((await remove({ resourceVersion: '1' })).status).toBe(409);
  expect((await remove({ uid: metadata.uid, resourceVersion: metadata.resourceVersion })).status).toBe(200);
});

test('a finalizer holds a deleted object until it is removed, and none can be added meanwhile', async () => {
  await create('configmaps', { name: 'held', finalizers: ['example.com/hold'] });
  const held = await call(server, 'DELETE', path('configmaps', 'held'));
  expect(held.body.metadata).toMatchObject({ deletionTimestamp: expect.any(String) as string, finalizers: ['example.com/hold'] });
  const setFinalizers = (finalizers: string[]): ReturnType<typeof call> =>
    call(server, 'PATCH', path('configmaps', 'held'), { metadata: { finalizers } }, { contentType: 'application/merge-patch+json' });
  expect((await setFinalizers(['example.com/hold', 'example.com/more'])).status).toBe(422);
  expect((await setFinalizers([])).status).toBe(200);
  expect(await status(path('configmaps', 'held'))).toBe(404);
});

test('dependents follow their owner, also when they name one that never was', async () => {
  const { metadata } = await create('configmaps', { name: 'owner' });
  await create('secrets', { name: 'child', ...ownedBy('ConfigMap', 'owner', metadata.uid) });
  await create('secrets', {
    name: 'shared',
    ownerReferences: [
      { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: metadata.uid },
      {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        name: 'default',
        uid: (await call(server, 'GET', path('serviceaccounts', 'default'))).body.metadata.uid,
      },
    ],
  });
  await create('secrets', { name: 'lost', ...ownedBy('ConfigMap', 'never', '1234') });
  await gone(path('secrets', 'lost'));
  expect(await status(path('secrets', 'child'))).toBe(200);
  await call(server, 'DELETE', path('configmaps', 'owner'));
  await gone(path('secrets', 'child'));
  const shared = await eventually(
    () => call(server, 'GET', path('secrets', 'shared')),
    ({ body }) => body.metadata.ownerReferences.length === 1,
  );
  expect(shared.body.metadata.ownerReferences).toMatchObject([{ kind: 'ServiceAccount' }]);
});

test('a Job lets its pods go unless told otherwise', async () => {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } };
  const run = async (name: string): Promise<void> => {
    const job = await call(server, 'POST', jobs(), { metadata: { name }, spec: { template } });
    expect(job.body.spec.selector.matchLabels).toEqual({ 'batch.kubernetes.io/controller-uid': job.body.metadata.uid });
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name, uid: job.body.metadata.uid, controller: true, blockOwnerDeletion: true };
    const pod = await call(server, 'POST', path('pods'), { metadata: { name, ownerReferences: [owner] }, spec: template.spec });
    expect(pod.body.status.phase).toBe('Pending');
  };
  await run('orphaning');
  await call(server, 'DELETE', jobs('orphaning'));
  await gone(jobs('orphaning'));
  expect((await call(server, 'GET', path('pods', 'orphaning'))).body.metadata.ownerReferences).toBeUndefined();
  await run('cascading');
  await call(server, 'DELETE', `${jobs('cascading')}?propagationPolicy=Background`);
  expect(await status(jobs('cascading'))).toBe(404);
  await gone(path('pods', 'cascading'));
});

test('a foreground deletion waits for the dependents that block it', async () => {
  const { metadata } = await create('configmaps', { name: 'owner' });
  await create('secrets', {
    name: 'child',
    finalizers: ['example.com/hold'],
    ...ownedBy('ConfigMap', 'owner', metadata.uid, { blockOwnerDeletion: true }),
  });
  await call(server, 'DELETE', path('configmaps', 'owner'), { propagationPolicy: 'Foreground' });
  await eventually(
    () => call(server, 'GET', path('secrets', 'child')),
    ({ body }) => body.metadata.deletionTimestamp !== undefined,
  );
  expect((await call(server, 'GET', path('configmaps', 'owner'))).body.metadata.finalizers).toEqual(['foregroundDeletion']);
  // The child was deleted in the foreground too: its own finalizer is what holds it.
  await call(
    server,
    'PATCH',
    path('secrets', 'child'),
    { metadata: { finalizers: null } },
    { contentType: 'application/merge-patch+json' },
  );
  await gone(path('configmaps', 'owner'));
});

test('a pod that runs on a node goes when the node says so', async () => {
  const spec = { nodeName: 'node', containers: [{ name: 'c', image: 'i' }] };
  await call(server, 'POST', path('pods'), { metadata: { name: 'running' }, spec });
  const leaving = await call(server, 'DELETE', path('pods', 'running'));
  expect(leaving.body.metadata).toMatchObject({ deletionTimestamp: expect.any(String) as string, deletionGracePeriodSeconds: 30 });
  await call(server, 'DELETE', path('pods', 'running'), { gracePeriodSeconds: 0 });
  expect(await status(path('pods', 'running'))).toBe(404);
});

test('a namespace takes its content with it, and admits nothing meanwhile', async () => {
  await create('configmaps', { name: 'held', finalizers: ['example.com/hold'] });
  await create('secrets', { name: 's' });
  const leaving = await call(server, 'DELETE', `/api/v1/namespaces/${namespace}`);
  expect(leaving.body).toMatchObject({
    kind: 'Namespace',
    status: { phase: 'Terminating' },
    metadata: { deletionTimestamp: expect.any(String) as string },
  });
  await gone(path('secrets', 's'));
  const refused = await call(server, 'POST', path('secrets'), { metadata: { name: 'late' } });
  expect(refused.body).toMatchObject({ code: 403, reason: 'Forbidden', details: { causes: [{ reason: 'NamespaceTerminating' }] } });
  expect(refused.body.message).toBe(
    `secrets "late" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  const holding = ({ body }: RawAnswer): string[] =>
    (body.status.conditions ?? []).filter(({ status }) => status === 'True').map(({ type }) => type);
  const waiting = await eventually(
    () => call(server, 'GET', `/api/v1/namespaces/${namespace}`),
    (answer) => holding(answer).length > 0,
  );
  expect(holding(waiting).sort()).toEqual(['NamespaceContentRemaining', 'NamespaceFinalizersRemaining']);
  await call(
    server,
    'PATCH',
    path('configmaps', 'held'),
    { metadata: { finalizers: null } },
    { contentType: 'application/merge-patch+json' },
  );
  await gone(`/api/v1/namespaces/${namespace}`);
});

test('the namespaces that a cluster needs cannot be deleted', async () => {
  expect((await call(server, 'DELETE', '/api/v1/namespaces/kube-system')).body).toMatchObject({
    code: 403,
    message: 'namespaces "kube-system" is forbidden: this namespace may not be deleted',
  });
});

test('a collection is deleted by its selector', async () => {
  await create('secrets', { name: 'a', labels: { app: 'x' } });
  await create('secrets', { name: 'b', labels: { app: 'x' } });
  await create('secrets', { name: 'c' });
  const { body } = await call(server, 'DELETE', `${path('secrets')}?labelSelector=app%3Dx`);
  expect(body.items).toHaveLength(2);
  expect((await call(server, 'GET', path('secrets'))).body.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(
    ['c'],
  );
});
