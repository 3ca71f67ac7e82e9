// What becomes of empty lists and maps, and what is answered where no object can be.
import type { TestApiServer } from '../kubernetes/real-cluster';
import { startTestServer } from '../support/backend';
import { call, eventually, type Body } from './raw-client';

let server: TestApiServer;
beforeAll(async () => {
  server = await startTestServer({ name: 'west' });
});
afterAll(() => server.close());

async function kept(path: string, object: object): Promise<Body> {
  const { status, body } = await call(server, 'POST', path, object);
  expect(status).toBe(201);
  return body;
}

const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

test('an EndpointSlice without endpoints or ports says null', async () => {
  const empty = await kept(SLICES, { metadata: { name: 'empty' }, addressType: 'IPv4', endpoints: [], ports: [] });
  expect(empty).toMatchObject({ endpoints: null, ports: null });
  const bare = await kept(SLICES, { metadata: { name: 'bare' }, addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }] });
  expect(bare).toMatchObject({ endpoints: [{ addresses: ['10.0.0.1'], conditions: {} }], ports: null });
  const { body } = await call(server, 'PATCH', `${SLICES}/bare`, { endpoints: [] }, { contentType: 'application/merge-patch+json' });
  expect(body).toMatchObject({ endpoints: null, ports: null });
});

test('a role without rules says null, and a binding without subjects nothing', async () => {
  expect(await kept(`${RBAC}/clusterroles`, { metadata: { name: 'none' } })).toMatchObject({ rules: null });
  expect(await kept(`${RBAC}/clusterroles`, { metadata: { name: 'empty' }, rules: [] })).toMatchObject({ rules: null });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'none' };
  expect(await kept(`${RBAC}/clusterrolebindings`, { metadata: { name: 'empty' }, roleRef, subjects: [] })).not.toHaveProperty('subjects');
});

test('empty lists and maps are not kept', async () => {
  const maps = '/api/v1/namespaces/default/configmaps';
  const map = await kept(maps, { metadata: { name: 'empty', labels: {}, annotations: {}, finalizers: [] }, data: {}, binaryData: {} });
  expect(Object.keys(map).sort()).toEqual(['apiVersion', 'kind', 'metadata']);
  expect(map.metadata).not.toHaveProperty('labels');
  expect(map.metadata).not.toHaveProperty('finalizers');
  const labels = { app: 'web' };
  const pod = {
    containers: [{ name: 'web', image: 'web:1', command: [], env: [] }],
    volumes: [{ name: 'tmp', emptyDir: {} }],
    nodeSelector: {},
  };
  const deployment = await kept('/apis/apps/v1/namespaces/default/deployments', {
    metadata: { name: 'web' },
    spec: { selector: { matchLabels: labels, matchExpressions: [] }, template: { metadata: { labels }, spec: pod } },
  });
  expect(deployment.spec.selector).toEqual({ matchLabels: labels });
  expect(deployment.spec.template.spec).not.toHaveProperty('nodeSelector');
  expect(deployment.spec.template.spec).toMatchObject({ volumes: [{ name: 'tmp', emptyDir: {} }] });
  expect(deployment.spec.template.spec.containers[0]).not.toHaveProperty('command');
});

test.each([
  ['POST', '/api/v1/configmaps', 405, 'the server does not allow this method on the requested resource'],
  ['GET', '/api/v1/configmaps/a', 404, 'the server could not find the requested resource'],
  ['PUT', '/api/v1/namespaces/default/configmaps', 405, 'the server does not allow this method on the requested resource'],
  ['GET', '/api/v1/namespaces/default/nothing', 404, 'the server could not find the requested resource'],
  ['GET', '/api/v1/namespaces/default/nodes', 404, 'the server could not find the requested resource'],
  ['GET', '/api/v1/namespaces/default/pods/a/log', 404, 'pods "a" not found'],
  ['POST', '/api/v1/namespaces/missing/configmaps', 404, 'namespaces "missing" not found'],
] as const)('%s %s is answered with %d', async (method, path, code, message) => {
  const body = method === 'GET' ? undefined : { metadata: { name: 'a' } };
  expect((await call(server, method, path, body)).body).toMatchObject({ kind: 'Status', code, message });
});

test('custom resources have no place outside their scope', async () => {
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const schema = { openAPIV3Schema: { type: 'object' } };
  await kept(definitions, {
    metadata: { name: 'things.example.org' },
    spec: {
      group: 'example.org',
      scope: 'Namespaced',
      names: { kind: 'Thing', plural: 'things' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  });
  await eventually(
    () => call(server, 'GET', '/apis/example.org/v1/things'),
    ({ status }) => status === 200,
  );
  const thing = { apiVersion: 'example.org/v1', kind: 'Thing', metadata: { name: 'a' } };
  expect((await call(server, 'POST', '/apis/example.org/v1/things', thing)).status).toBe(404);
  expect((await call(server, 'GET', '/apis/example.org/v1/things/a')).status).toBe(404);
  expect((await call(server, 'POST', '/apis/example.org/v1/namespaces/default/things', thing)).status).toBe(201);
});
