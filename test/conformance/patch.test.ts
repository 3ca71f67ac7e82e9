import { mergeShapeOf } from '../../src/playground/api-server/merge-shape';
import { jsonPatch, mergePatch, strategicMerge } from '../../src/playground/api-server/patch';
import { BUILT_IN_RESOURCES, type ResourceType } from '../../src/playground/api-server/resources';
import { startTestServer } from '../support/backend';
import { call } from './raw-client';

test('a merge patch sets, merges, and removes with null', () => {
  expect(mergePatch({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: null, e: 3 }, d: [2] })).toEqual({ a: { c: 2, e: 3 }, d: [2] });
  expect(mergePatch({ a: 'text' }, { a: { b: null, c: 1 } })).toEqual({ a: { c: 1 } });
});

test('a JSON patch does each of its operations in turn', () => {
  const target = { list: [1, 3], 'a/b': 1, deep: { x: 1 } };
  const result = jsonPatch(target, [
    { op: 'test', path: '/list/0', value: 1 },
    { op: 'add', path: '/list/1', value: 2 },
    { op: 'add', path: '/list/-', value: 4 },
    { op: 'replace', path: '/a~1b', value: 2 },
    { op: 'copy', from: '/deep', path: '/copied' },
    { op: 'move', from: '/deep/x', path: '/y' },
    { op: 'remove', path: '/copied/x' },
  ]);
  expect(result).toEqual({ list: [1, 2, 3, 4], 'a/b': 2, deep: {}, copied: {}, y: 1 });
  expect(target.list).toEqual([1, 3]);
});

test.each([
  [{ op: 'test', path: '/a', value: 2 }],
  [{ op: 'remove', path: '/b' }],
  [{ op: 'replace', path: '/b', value: 1 }],
  [{ op: 'add', path: '/b/c', value: 1 }],
])('the JSON patch %j that does not fit fails whole', (operation) => {
  expect(() => jsonPatch({ a: 1 }, [operation])).toThrow('the server rejected our request due to an error in our request');
});

test('a strategic patch merges lists by their keys and obeys directives', () => {
  const shape = mergeShapeOf(BUILT_IN_RESOURCES.find(({ kind }) => kind === 'Service') as ResourceType);
  const live = { spec: { ports: [{ port: 80, nodePort: 1 }, { port: 443 }], selector: { a: 'b' } } };
  const patch = {
    spec: {
      ports: [
        { port: 80, name: 'http' },
        { port: 443, $patch: 'delete' },
      ],
      selector: { $patch: 'replace', c: 'd' },
    },
  };
  expect(strategicMerge(live, patch, shape)).toEqual({ spec: { ports: [{ port: 80, nodePort: 1, name: 'http' }], selector: { c: 'd' } } });
});

test('patches on the server keep to the same rules as updates', async () => {
  const server = await startTestServer({ name: 'west' });
  try {
    const maps = '/api/v1/namespaces/default/configmaps';
    const { metadata } = (await call(server, 'POST', maps, { metadata: { name: 'a' }, data: { x: '1' } })).body;
    const merge = (body: object): ReturnType<typeof call> =>
      call(server, 'PATCH', `${maps}/a`, body, { contentType: 'application/merge-patch+json' });
    expect((await merge({ data: { x: '2' } })).body.data).toEqual({ x: '2' });
    expect((await merge({ metadata: { resourceVersion: metadata.resourceVersion }, data: { x: '3' } })).status).toBe(409);
    expect((await merge({ metadata: { uid: 'another' } })).body).toMatchObject({ code: 422, reason: 'Invalid' });
    expect((await call(server, 'PUT', `${maps}/a`, { metadata: { name: 'a', uid: 'another' } })).status).toBe(409);
    expect((await merge({ metadata: { name: 'b' } })).status).toBe(400);
    expect((await call(server, 'PATCH', `${maps}/none`, {}, { contentType: 'application/merge-patch+json' })).status).toBe(404);
    expect((await call(server, 'PATCH', `${maps}/a`, {}, { contentType: 'text/plain' })).status).toBe(415);
    const json = await call(server, 'PATCH', `${maps}/a`, [{ op: 'test', path: '/data/x', value: '9' }], {
      contentType: 'application/json-patch+json',
    });
    expect(json.body).toMatchObject({ code: 422, reason: 'Invalid' });
  } finally {
    await server.close();
  }
});
