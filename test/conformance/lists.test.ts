import { startTestServer } from '../support/backend';
import type { TestApiServer } from '../kubernetes/real-cluster';
import { call, watch, type Body } from './raw-client';

const MAPS = '/api/v1/namespaces/default/configmaps';
let server: TestApiServer;

beforeAll(async () => {
  server = await startTestServer({ name: 'west', watchWindow: 20 });
  for (const [name, labels] of [
    ['a', { app: 'web', tier: 'front' }],
    ['b', { app: 'web' }],
    ['c', { app: 'db' }],
    ['d', {}],
  ] as const) {
    await call(server, 'POST', MAPS, { metadata: { name, labels } });
  }
});

afterAll(() => server.close());

const names = (list: Body): string => list.items.map((item) => item.metadata.name).join('');

test.each([
  ['labelSelector=app%3Dweb', 'ab'],
  ['labelSelector=app!%3Dweb,app', 'c'],
  ['labelSelector=app+in+(web,+db)', 'abc'],
  ['labelSelector=app+notin+(web)', 'cd'],
  ['labelSelector=tier', 'a'],
  ['labelSelector=app%3D%3Dweb,!tier', 'b'],
  ['fieldSelector=metadata.name%3Db', 'b'],
  ['fieldSelector=metadata.name!%3Db,metadata.namespace%3Ddefault', 'acd'],
])('the selector %s means %s', async (query, expected) => {
  const { body } = await call(server, 'GET', `${MAPS}?${query}`);
  expect(names(body).replace('kube-root-ca.crt', '')).toBe(expected);
});

test('a selector that cannot be read is a bad request', async () => {
  expect((await call(server, 'GET', `${MAPS}?fieldSelector=data.x%3Db`)).body.message).toBe(
    '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
  );
  expect((await call(server, 'GET', '/api/v1/namespaces/default/pods?fieldSelector=data.x%3Db')).body.message).toBe(
    'field label not supported: data.x',
  );
  expect((await call(server, 'GET', `${MAPS}?labelSelector=%3D`)).status).toBe(400);
});

test('pages of a list show one state, whatever happens between them', async () => {
  const first = (await call(server, 'GET', `${MAPS}?limit=2`)).body;
  expect(names(first)).toBe('ab');
  expect(first.metadata.remainingItemCount).toBe(3);
  await call(server, 'DELETE', `${MAPS}/c`);
  const second = (await call(server, 'GET', `${MAPS}?limit=5&continue=${first.metadata.continue}`)).body;
  expect(names(second)).toBe('cdkube-root-ca.crt');
  expect(second.metadata).toEqual({ resourceVersion: first.metadata.resourceVersion });
  expect((await call(server, 'GET', `${MAPS}?continue=forged`)).body).toMatchObject({ code: 400, reason: 'BadRequest' });
  await call(server, 'POST', MAPS, { metadata: { name: 'c', labels: { app: 'db' } } });
});

test('items of built-in kinds come without kind and apiVersion, and the future cannot be listed', async () => {
  const { body } = await call(server, 'GET', MAPS);
  expect(body).toMatchObject({ kind: 'ConfigMapList', apiVersion: 'v1' });
  expect(body.items[0]?.kind).toBeUndefined();
  expect((await call(server, 'GET', `${MAPS}?resourceVersion=999999`)).status).toBe(504);
});

test('a watch continues where a list ended, through its selector', async () => {
  const { metadata } = (await call(server, 'GET', MAPS)).body;
  await call(server, 'POST', MAPS, { metadata: { name: 'e', labels: { app: 'web' } } });
  const watching = await watch(server, `${MAPS}?watch=true&resourceVersion=${metadata.resourceVersion}&labelSelector=app%3Dweb`);
  const relabel = (app: string): Promise<unknown> =>
    call(server, 'PATCH', `${MAPS}/e`, { metadata: { labels: { app } } }, { contentType: 'application/merge-patch+json' });
  await relabel('db');
  await relabel('web');
  await call(server, 'PATCH', `${MAPS}/e`, { data: { a: 'b' } }, { contentType: 'application/merge-patch+json' });
  await call(server, 'DELETE', `${MAPS}/e`);
  await watching.until(() => watching.events.length >= 5);
  expect(watching.events.map(({ type }) => type)).toEqual(['ADDED', 'DELETED', 'ADDED', 'MODIFIED', 'DELETED']);
  const versions = watching.events.map(({ object }) => Number(object.metadata.resourceVersion));
  expect(versions).toEqual([...versions].sort((x, y) => x - y));
  // An object that leaves the selection is shown as it was.
  expect(watching.events[1]?.object.metadata.labels).toEqual({ app: 'web' });
  watching.stop();
});

test('a watch without resourceVersion begins with what is there', async () => {
  const watching = await watch(server, `${MAPS}?watch=1&fieldSelector=metadata.name%3Da`);
  expect(await watching.until(() => true)).toMatchObject({ type: 'ADDED', object: { kind: 'ConfigMap', metadata: { name: 'a' } } });
  watching.stop();
});

test('a watch ends at its timeout, and what it tells before is no more than bookmarks', async () => {
  const watching = await watch(
    server,
    `${MAPS}?watch=1&resourceVersion=${(await call(server, 'GET', MAPS)).body.metadata.resourceVersion}&timeoutSeconds=1&allowWatchBookmarks=true`,
  );
  await watching.ended;
  for (const event of watching.events) {
    expect(event).toMatchObject({
      type: 'BOOKMARK',
      object: { kind: 'ConfigMap', metadata: { resourceVersion: expect.any(String) as string } },
    });
  }
});

test('a watch from a forgotten resourceVersion is told that it expired', async () => {
  const { metadata } = (await call(server, 'GET', MAPS)).body;
  for (let count = 0; count < 50; count += 1) {
    await call(server, 'PATCH', `${MAPS}/d`, { data: { count: String(count) } }, { contentType: 'application/merge-patch+json' });
  }
  await server.forgetPast();
  const watching = await watch(server, `${MAPS}?watch=true&resourceVersion=${metadata.resourceVersion}`);
  await watching.ended;
  expect(watching.events).toMatchObject([{ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }]);
});
