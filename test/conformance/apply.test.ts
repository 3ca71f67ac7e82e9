import { startTestServer } from '../support/backend';
import type { TestApiServer } from '../kubernetes/real-cluster';
import { apply, call } from './raw-client';

let server: TestApiServer;

beforeAll(async () => {
  server = await startTestServer({ name: 'west' });
});

afterAll(() => server.close());

const MAP = '/api/v1/namespaces/default/configmaps/settings';
const map = (data: Record<string, string>, metadata = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings', ...metadata },
  data,
});

afterEach(() => call(server, 'DELETE', MAP));

test('apply creates, then changes nothing when it is repeated', async () => {
  const first = await apply(server, MAP, map({ a: '1' }), 'one');
  expect(first.status).toBe(201);
  const second = await apply(server, MAP, map({ a: '1' }), 'one');
  expect(second.status).toBe(200);
  expect(second.body).toEqual(first.body);
});

test('a field that another manager set differently is a conflict until it is forced', async () => {
  await apply(server, MAP, map({ a: '1', b: '1' }), 'one');
  const refused = await apply(server, MAP, map({ a: '2' }), 'two');
  expect(refused.body).toMatchObject({
    code: 409,
    reason: 'Conflict',
    message: 'Apply failed with 1 conflict: conflict with "one": .data.a',
    details: { causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.a' }] },
  });
  const forced = await apply(server, MAP, map({ a: '2' }), 'two', '&force=true');
  expect(forced.body.data).toEqual({ a: '2', b: '1' });
  const owners = Object.fromEntries(
    forced.body.metadata.managedFields.map((entry: { manager: string; fieldsV1: unknown }) => [entry.manager, entry.fieldsV1]),
  );
  expect(owners).toEqual({ one: { 'f:data': { 'f:b': {} } }, two: { 'f:data': { 'f:a': {} } } });
});

test('two managers may agree, and a shared field stays until both leave it out', async () => {
  await apply(server, MAP, map({ a: '1' }), 'one');
  expect((await apply(server, MAP, map({ a: '1', b: '2' }), 'two')).status).toBe(200);
  expect((await apply(server, MAP, map({}), 'one')).body.data).toEqual({ a: '1', b: '2' });
  expect((await apply(server, MAP, map({ b: '2' }), 'two')).body.data).toEqual({ b: '2' });
});

test('what a manager no longer applies is removed, what others own stays', async () => {
  await apply(server, MAP, map({ a: '1', b: '2' }, { labels: { x: 'y' } }), 'one');
  await call(server, 'PATCH', `${MAP}?fieldManager=hand`, { data: { c: '3' } }, { contentType: 'application/merge-patch+json' });
  const { body } = await apply(server, MAP, map({ a: '1' }), 'one');
  expect(body.data).toEqual({ a: '1', c: '3' });
  expect(body.metadata.labels).toBeUndefined();
});

test('an update takes the fields that it changes from the manager that applied them', async () => {
  await apply(server, MAP, map({ a: '1' }), 'one');
  await call(server, 'PATCH', `${MAP}?fieldManager=hand`, { data: { a: '9' } }, { contentType: 'application/merge-patch+json' });
  const refused = await apply(server, MAP, map({ a: '1' }), 'one');
  expect(refused.body.message).toBe('Apply failed with 1 conflict: conflict with "hand" using v1: .data.a');
});

test('containers, ports and variables merge by their keys', async () => {
  const path = '/apis/apps/v1/namespaces/default/deployments/web';
  const deployment = (container: object): object => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [container] } },
    },
  });
  const first = await apply(
    server,
    path,
    deployment({ name: 'c', image: 'i:1', ports: [{ containerPort: 80 }], env: [{ name: 'A', value: '1' }] }),
    'one',
  );
  expect(first.body.metadata.generation).toBe(1);
  expect(first.body.spec).toMatchObject({
    replicas: 1,
    template: { spec: { containers: [{ imagePullPolicy: 'IfNotPresent', ports: [{ protocol: 'TCP' }] }] } },
  });
  await apply(server, path, deployment({ name: 'c', env: [{ name: 'B', value: '2' }] }), 'two');
  const again = await apply(server, path, deployment({ name: 'c', image: 'i:2', ports: [{ containerPort: 80 }] }), 'one');
  const [container] = again.body.spec.template.spec.containers;
  expect(container).toMatchObject({ image: 'i:2', env: [{ name: 'B', value: '2' }], ports: [{ containerPort: 80, protocol: 'TCP' }] });
  expect(again.body.metadata.generation).toBe(3);
});

test('apply needs a manager, an own kind, and the name of the URL', async () => {
  const outcomes = [
    await call(server, 'PATCH', MAP, map({}), { contentType: 'application/apply-patch+yaml' }),
    await apply(server, MAP, { metadata: { name: 'settings' } }, 'one'),
    await apply(server, MAP, map({}, { name: 'other' }), 'one'),
    await apply(server, MAP, map({}, { managedFields: [] }), 'one'),
    await apply(server, MAP.replace('default', 'nowhere'), map({}), 'one'),
    await call(server, 'PATCH', `${MAP}?force=true`, {}, { contentType: 'application/merge-patch+json' }),
  ];
  expect(outcomes.map(({ status }) => status)).toEqual([422, 400, 400, 400, 404, 422]);
});

test('a dry run of apply shows the conflict or the result, and stores neither', async () => {
  await apply(server, MAP, map({ a: '1' }), 'one');
  expect((await apply(server, MAP, map({ a: '2' }), 'two', '&dryRun=All')).status).toBe(409);
  expect((await apply(server, MAP, map({ a: '2' }), 'one', '&dryRun=All')).body.data).toEqual({ a: '2' });
  expect((await call(server, 'GET', MAP)).body.data).toEqual({ a: '1' });
});
