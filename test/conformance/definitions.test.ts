import { startTestServer } from '../support/backend';
import type { TestApiServer } from '../kubernetes/real-cluster';
import { apply, call, eventually, type RawAnswer } from './raw-client';

let server: TestApiServer;
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const GADGETS = '/apis/example.com/v1/namespaces/default/gadgets';

const specSchema = {
  type: 'object',
  required: ['size'],
  properties: {
    size: { type: 'integer', minimum: 1, maximum: 65535 },
    colour: { type: 'string', enum: ['red', 'blue'], default: 'red' },
    odd: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self != 4 && self < 9', message: 'must be small and not four' }] },
    code: { type: 'string', maxLength: 4, pattern: '^[a-z]+$' },
    parts: {
      type: 'array',
      minItems: 1,
      items: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, weight: { type: 'integer', default: 1 } } },
    },
    rules: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['key'],
      items: { type: 'object', required: ['key'], properties: { key: { type: 'string' }, value: { type: 'string' } } },
    },
    extra: { type: 'object', additionalProperties: { type: 'string' } },
  },
};
const definition = (changes: Record<string, unknown> = {}): object => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'gadgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'gadgets', kind: 'Gadget', shortNames: ['gd'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            'x-kubernetes-validations': [{ rule: 'size(self.metadata.name) <= 9', message: 'the name is too long' }],
            properties: { spec: specSchema, status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        },
      },
    ],
    ...changes,
  },
});
const gadget = (name: string, spec: object = { size: 1 }): object => ({
  apiVersion: 'example.com/v1',
  kind: 'Gadget',
  metadata: { name },
  spec,
});
const established = ({ body }: RawAnswer): boolean =>
  (body.status.conditions ?? []).some(({ type, status }) => type === 'Established' && status === 'True');

beforeAll(async () => {
  server = await startTestServer({ name: 'west' });
  expect((await call(server, 'POST', GADGETS, gadget('early'))).text).toBe('404 page not found\n');
  expect((await call(server, 'POST', DEFINITIONS, definition())).status).toBe(201);
  // Accepted is not yet established: unknown, or its storage is not open yet, unless it went quickly.
  expect([200, 404, 429]).toContain((await call(server, 'GET', GADGETS)).status);
  await eventually(() => call(server, 'GET', `${DEFINITIONS}/gadgets.example.com`), established);
});

afterAll(() => server.close());

test('an established definition is discovered and served', async () => {
  const { resources } = (await call(server, 'GET', '/apis/example.com/v1')).body;
  expect(resources).toMatchObject([
    { name: 'gadgets', kind: 'Gadget', shortNames: ['gd'], singularName: 'gadget' },
    { name: 'gadgets/status' },
  ]);
  // A real API server may still be opening the storage, and says 429.
  const list = await eventually(
    () => call(server, 'GET', GADGETS),
    ({ status }) => status !== 429,
  );
  expect(list.body).toMatchObject({ kind: 'GadgetList', apiVersion: 'example.com/v1', items: [] });
});

test('defaults are filled in and unknown fields pruned', async () => {
  const { body } = await call(
    server,
    'POST',
    GADGETS,
    gadget('plain', { size: 2, unknown: 1, parts: [{ name: 'p', junk: true }], extra: { a: 'b' } }),
  );
  expect(body.spec).toEqual({ size: 2, colour: 'red', parts: [{ name: 'p', weight: 1 }], extra: { a: 'b' } });
  expect(body.metadata.generation).toBe(1);
});

test.each([
  [{}, 'spec.size', 'Required value'],
  [{ size: 0 }, 'spec.size', 'Invalid value: 0: spec.size in body should be greater than or equal to 1'],
  [{ size: 70000 }, 'spec.size', 'Invalid value: 70000: spec.size in body should be less than or equal to 65535'],
  [{ size: 'big' }, 'spec.size', 'Invalid value: "string": spec.size in body must be of type integer: "string"'],
  [{ size: 1, colour: 'green' }, 'spec.colour', 'Unsupported value: "green": supported values: "red", "blue"'],
  [{ size: 1, code: 'toolong' }, 'spec.code', 'Too long: may not be more than 4 bytes'],
  [{ size: 1, code: 'A' }, 'spec.code', 'Invalid value: "A": spec.code in body should match \'^[a-z]+$\''],
  [{ size: 1, parts: [] }, 'spec.parts', 'Invalid value: 0: spec.parts in body should have at least 1 items'],
  [{ size: 1, parts: [{}] }, 'spec.parts[0].name', 'Required value'],
  [{ size: 1, extra: { a: 1 } }, 'spec.extra.a', 'Invalid value: "integer": spec.extra.a in body must be of type string: "integer"'],
  [{ size: 1, rules: [{ key: 'a' }, { key: 'a' }] }, 'spec.rules[1]', 'Duplicate value: {"key":"a"}'],
])('the spec %j breaks the schema', async (spec, field, message) => {
  const { body } = await call(server, 'POST', GADGETS, gadget('bad', spec));
  expect(body).toMatchObject({ code: 422, reason: 'Invalid', message: expect.stringContaining(`${field}: ${message}`) as string });
  expect(body.details.causes[0]).toMatchObject({ field, message });
});

test('the rules of a definition hold, once the object is well formed', async () => {
  const problems = async (name: string, spec: object): Promise<unknown> =>
    (await call(server, 'POST', GADGETS, gadget(name, spec))).body.details.causes.map(({ field, message }) => `${field}: ${message}`);
  expect(await problems('bad', { size: 1, odd: 4 })).toEqual(['spec.odd: Invalid value: "integer": must be small and not four']);
  expect(await problems('much-too-long', { size: 1, odd: 3 })).toEqual(['<nil>: Invalid value: "object": the name is too long']);
  expect(await problems('much-too-long', { odd: 4 })).toEqual([
    'spec.size: Required value',
    expect.stringContaining('some validation rules were not checked'),
  ]);
});

test('status and spec change only through their own paths', async () => {
  const created = (await call(server, 'POST', GADGETS, { ...gadget('both'), status: { ready: true } })).body;
  expect(created.status).toBeUndefined();
  const withStatus = (await call(server, 'PUT', `${GADGETS}/both/status`, { ...created, spec: { size: 9 }, status: { ready: true } })).body;
  expect(withStatus).toMatchObject({ spec: { size: 1 }, status: { ready: true }, metadata: { generation: 1 } });
  const withSpec = (await call(server, 'PUT', `${GADGETS}/both`, { ...withStatus, spec: { size: 9 }, status: { ready: false } })).body;
  expect(withSpec).toMatchObject({ spec: { size: 9 }, status: { ready: true }, metadata: { generation: 2 } });
  const stale = await call(server, 'PUT', `${GADGETS}/both/status`, { ...withStatus, status: {} });
  expect(stale.status).toBe(409);
});

test('an update of a custom resource needs its resourceVersion, and no strategic patch is known', async () => {
  await call(server, 'POST', GADGETS, gadget('versioned'));
  expect((await call(server, 'PUT', `${GADGETS}/versioned`, gadget('versioned', { size: 3 }))).body).toMatchObject({
    code: 422,
    details: {
      causes: [{ field: 'metadata.resourceVersion', message: expect.stringContaining('must be specified for an update') as string }],
    },
  });
  expect((await call(server, 'PATCH', `${GADGETS}/versioned`, {}, { contentType: 'application/strategic-merge-patch+json' })).status).toBe(
    415,
  );
});

test('apply merges lists as the schema says: by key, or whole', async () => {
  const at = `${GADGETS}/applied`;
  await apply(server, at, gadget('applied', { size: 1, rules: [{ key: 'a', value: '1' }], parts: [{ name: 'x' }] }), 'one');
  const merged = await apply(server, at, gadget('applied', { size: 1, rules: [{ key: 'b', value: '2' }] }), 'two');
  expect(merged.body.spec.rules).toEqual([
    { key: 'a', value: '1' },
    { key: 'b', value: '2' },
  ]);
  const refused = await apply(server, at, gadget('applied', { size: 1, rules: [{ key: 'a', value: '3' }], parts: [{ name: 'y' }] }), 'two');
  expect(refused.body.details.causes.map(({ field }: { field: string }) => field)).toEqual(['.spec.parts', '.spec.rules[key="a"].value']);
  const again = await apply(server, at, gadget('applied', { size: 1, rules: [{ key: 'b', value: '2' }] }), 'two');
  expect(again.body.metadata.resourceVersion).toBe(merged.body.metadata.resourceVersion);
});

test('definitions that Kubernetes would refuse, or that cannot be simulated, are invalid', async () => {
  const version = (schema: unknown): object[] => [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }];
  const fields = [];
  for (const changes of [
    { scope: 'Galaxy' },
    { group: 'other.com' },
    { versions: [] },
    { versions: version({ type: 'object', properties: { a: {} } }) },
    { versions: version({ type: 'object', 'x-kubernetes-validations': [{ rule: 'self.all(x, x)' }] }) },
  ]) {
    fields.push((await call(server, 'POST', DEFINITIONS, definition(changes))).body.details.causes[0]?.field);
  }
  expect(fields).toEqual([
    'spec.scope',
    'metadata.name',
    'spec.versions',
    'spec.validation.openAPIV3Schema.properties[a].type',
    'spec.validation.openAPIV3Schema.x-kubernetes-validations[0].rule',
  ]);
});

test('a deleted definition takes its objects with it, then its resource is unknown again', async () => {
  const held = { ...gadget('held'), metadata: { name: 'held', finalizers: ['example.com/hold'] } };
  await call(server, 'POST', GADGETS, held);
  const leaving = await call(server, 'DELETE', `${DEFINITIONS}/gadgets.example.com`);
  expect(leaving.body.metadata).toMatchObject({
    deletionTimestamp: expect.any(String) as string,
    finalizers: ['customresourcecleanup.apiextensions.k8s.io'],
  });
  await eventually(
    () => call(server, 'GET', GADGETS),
    ({ body }) => body.items.length === 1,
  );
  expect((await call(server, 'POST', GADGETS, gadget('late'))).body).toMatchObject({
    code: 403,
    message: expect.stringContaining('create not allowed while custom resource definition is terminating') as string,
  });
  await call(server, 'PATCH', `${GADGETS}/held`, { metadata: { finalizers: null } }, { contentType: 'application/merge-patch+json' });
  await eventually(
    () => call(server, 'GET', `${DEFINITIONS}/gadgets.example.com`),
    ({ status }) => status === 404,
  );
  expect((await call(server, 'GET', GADGETS)).status).toBe(404);
});
