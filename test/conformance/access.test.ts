import { startTestServer } from '../support/backend';
import type { TestApiServer } from '../kubernetes/real-cluster';
import { call } from './raw-client';

let server: TestApiServer;
let token = '';

beforeAll(async () => {
  server = await startTestServer({ name: 'west' });
  token = await server.addToken({
    user: 'robot',
    rules: [
      { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list', 'create', 'patch'], namespaces: ['default'] },
      { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles'], verbs: ['*'] },
      { apiGroups: ['apps'], resources: ['deployments'], verbs: ['patch'] },
      { apiGroups: [''], resources: ['configmaps'], verbs: ['list'], resourceNames: ['settings'] },
    ],
  });
});

afterAll(() => server.close());

const asRobot = (method: string, path: string, body?: unknown, contentType = 'application/json'): ReturnType<typeof call> =>
  call(server, method, path, body, { token, contentType });
const review = async (resourceAttributes: object): Promise<boolean> =>
  (await asRobot('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { spec: { resourceAttributes } })).body.status.allowed;

test('what no rule admits is forbidden, in the words of RBAC', async () => {
  const review = await asRobot('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
  const user = review.body.status.userInfo.username;
  expect((await asRobot('GET', '/api/v1/namespaces/default/secrets')).status).toBe(200);
  expect((await asRobot('GET', '/api/v1/namespaces/kube-system/secrets/x')).body).toMatchObject({
    code: 403,
    reason: 'Forbidden',
    message: `secrets "x" is forbidden: User "${user}" cannot get resource "secrets" in API group "" in the namespace "kube-system"`,
    details: { name: 'x', kind: 'secrets' },
  });
  expect((await asRobot('GET', '/api/v1/nodes')).body.message).toBe(
    `nodes is forbidden: User "${user}" cannot list resource "nodes" in API group "" at the cluster scope`,
  );
  expect((await asRobot('GET', '/version')).status).toBe(200);
});

test('a list of one name needs a permission for that name only', async () => {
  const of = (name: string): string => `fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
  for (const path of ['/api/v1/configmaps', '/api/v1/namespaces/default/configmaps']) {
    expect((await asRobot('GET', `${path}?${of('settings')}`)).status).toBe(200);
    expect((await asRobot('GET', `${path}?${of('other')}`)).status).toBe(403);
    expect((await asRobot('GET', `${path}?watch=1&${of('other')}`)).status).toBe(403);
    expect((await asRobot('GET', path)).status).toBe(403);
  }
  expect(await review({ verb: 'list', resource: 'configmaps', name: 'settings' })).toBe(true);
  expect(await review({ verb: 'list', resource: 'configmaps' })).toBe(false);
});

test('an access review answers as the rules would', async () => {
  expect(await review({ verb: 'create', resource: 'secrets', namespace: 'default' })).toBe(true);
  expect(await review({ verb: 'delete', resource: 'secrets', namespace: 'default' })).toBe(false);
  expect(await review({ verb: 'create', resource: 'secrets' })).toBe(false);
  expect(await review({ verb: 'patch', group: 'apps', resource: 'deployments', namespace: 'any' })).toBe(true);
  expect(await review({ verb: 'patch', group: 'apps', resource: 'deployments', subresource: 'status' })).toBe(false);
});

test('apply needs the permission to create for what does not exist', async () => {
  const path = '/apis/apps/v1/namespaces/default/deployments/web?fieldManager=robot';
  const labels = { app: 'web' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'web:1' }] } };
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { selector: { matchLabels: labels }, template },
  };
  const { body } = await asRobot('PATCH', path, deployment, 'application/apply-patch+yaml');
  expect(body).toMatchObject({ code: 403, message: expect.stringContaining('cannot create resource "deployments"') as string });
});

test('nobody grants what they do not hold', async () => {
  const roles = '/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles';
  const robot = await server.addToken({
    user: 'clerk',
    rules: [
      { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles'], verbs: ['create'] },
      { apiGroups: [''], resources: ['secrets'], verbs: ['get'] },
    ],
  });
  const grant = (verbs: string[]): ReturnType<typeof call> =>
    call(server, 'POST', roles, { metadata: { name: 'r' }, rules: [{ apiGroups: [''], resources: ['secrets'], verbs }] }, { token: robot });
  expect((await grant(['get', 'delete'])).body).toMatchObject({
    code: 403,
    message: expect.stringContaining('is attempting to grant RBAC permissions not currently held') as string,
  });
  expect((await grant(['get'])).status).toBe(201);
});

test('a binding needs a role that is there, and what that grants', async () => {
  const group = 'rbac.authorization.k8s.io';
  const path = `/apis/${group}/v1/clusterrolebindings`;
  const binder = await server.addToken({
    user: 'binder',
    rules: [
      { apiGroups: [group], resources: ['clusterroles', 'clusterrolebindings'], verbs: ['create', 'patch'] },
      { apiGroups: [''], resources: ['secrets'], verbs: ['get'] },
    ],
  });
  const bind = (method: 'POST' | 'PATCH', role: string): ReturnType<typeof call> => {
    const binding = {
      apiVersion: `${group}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: `${role}-${method.toLowerCase()}` },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: role },
      subjects: [{ apiGroup: group, kind: 'User', name: 'someone' }],
    };
    return method === 'POST'
      ? call(server, method, path, binding, { token: binder })
      : call(server, method, `${path}/${binding.metadata.name}?fieldManager=binder`, binding, {
          token: binder,
          contentType: 'application/apply-patch+yaml',
        });
  };
  // The answer calls the missing role by the kind of the binding.
  for (const method of ['POST', 'PATCH'] as const) {
    expect((await bind(method, 'nobody')).body).toMatchObject({
      code: 404,
      reason: 'NotFound',
      message: `clusterrolebindings.${group} "nobody" not found`,
      details: { name: 'nobody', group, kind: 'clusterrolebindings' },
    });
  }
  const roles = `/apis/${group}/v1/clusterroles`;
  const grants = async (name: string, verb: string): Promise<void> => {
    const rules = [{ apiGroups: [''], resources: ['secrets'], verbs: [verb] }];
    expect((await call(server, 'POST', roles, { metadata: { name }, rules })).status).toBe(201);
  };
  await Promise.all([grants('reader', 'get'), grants('remover', 'delete')]);
  const known = async (role: string): Promise<Awaited<ReturnType<typeof bind>>> => {
    const answer = await bind('POST', role);
    return answer.status === 404 ? known(role) : answer;
  };
  expect((await known('reader')).status).toBe(201);
  const patch = { contentType: 'application/merge-patch+json' };
  const label = (role: string): ReturnType<typeof call> =>
    call(server, 'PATCH', `${roles}/${role}`, { metadata: { labels: { a: 'b' } } }, { ...patch, token: binder });
  expect((await label('reader')).status).toBe(200);
  expect((await label('remover')).status).toBe(403);
  expect((await known('remover')).body).toMatchObject({
    code: 403,
    message: expect.stringContaining('is attempting to grant RBAC permissions not currently held') as string,
  });
});
