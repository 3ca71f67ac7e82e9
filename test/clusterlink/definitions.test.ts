// The custom resource definitions: what the API server will take from them, and that they keep out what poisons ClusterLink.
import { DEFINITIONS } from '../../src/clusterlink/definitions';
import type { Schema } from '../../src/clusterlink/schema';
import { refOf } from '../../src/kubernetes/kube-object';
import { collectionPath, objectPath, resourceOf } from '../../src/kubernetes/resource-path';
import { looserBounds } from '../../src/clusterlink/looser-bounds';
import { assertSafe } from '../../src/clusterlink/poison';
import { call, eventually } from '../conformance/raw-client';
import type { TestApiServer } from '../kubernetes/real-cluster';
import { startTestServer } from '../support/backend';
import { objectOf, POISON, SOUND } from './poison-cases';

const schemas = Object.fromEntries(DEFINITIONS.map(({ spec }) => [spec.names.kind, spec.versions[0]?.schema.openAPIV3Schema as Schema]));

test('there is one definition for each kind, under the name that its group and plural make', () => {
  expect(DEFINITIONS.map(({ metadata }) => metadata.name).sort()).toEqual([
    'accesspolicies.clusterlink.net',
    'exports.clusterlink.net',
    'imports.clusterlink.net',
    'instances.clusterlink.net',
    'peers.clusterlink.net',
    'privilegedaccesspolicies.clusterlink.net',
  ]);
  for (const { spec, metadata } of DEFINITIONS) expect(metadata.name).toBe(`${spec.names.plural}.${spec.group}`);
});

test.each(DEFINITIONS.map((definition) => [definition.spec.names.kind, definition] as const))(
  '%s has the scope and plural by which it is addressed',
  (kind, definition) => {
    const { resource, namespaced } = resourceOf({ apiVersion: 'clusterlink.net/v1alpha1', kind });
    expect(definition.spec.names.plural).toBe(resource);
    expect(definition.spec.scope === 'Namespaced').toBe(namespaced);
    expect(objectPath({ ...definition, name: definition.metadata.name })).toContain('customresourcedefinitions');
  },
);

test('all kinds but the policies have a status of their own', () => {
  const withStatus = DEFINITIONS.filter(({ spec }) => spec.versions[0]?.subresources?.status !== undefined).map(
    ({ spec }) => spec.names.kind,
  );
  expect(withStatus.sort()).toEqual(['Export', 'Import', 'Instance', 'Peer']);
  for (const kind of withStatus) expect(at(kind, 'status').type).toBe('object');
});

test.each(Object.entries(schemas))(
  'the schema of %s is structural: every node has a type, required fields exist, defaults fit',
  (_kind, schema) => {
    visit(schema, (node, path) => {
      expect({ path, type: node.type }).toEqual({ path, type: expect.stringMatching(/^(object|array|string|integer)$/) });
      for (const name of node.required ?? []) expect(Object.keys(node.properties ?? {})).toContain(name);
      if (node.enum !== undefined && node.default !== undefined) expect(node.enum).toContain(node.default);
      if (node.type === 'array') expect(node.items).toBeDefined();
      expect(node.properties !== undefined && node.additionalProperties !== undefined).toBe(false);
    });
  },
);

test('ports are bounded wherever they stand', () => {
  const bounds = { minimum: 1, maximum: 65535 };
  expect(at('Peer', 'spec', 'gateways', '[]', 'port')).toMatchObject(bounds);
  expect(at('Export', 'spec', 'port')).toMatchObject(bounds);
  expect(at('Import', 'spec', 'port')).toMatchObject(bounds);
  expect(at('Import', 'spec', 'targetPort')).toMatchObject({
    ...bounds,
    'x-kubernetes-validations': [{ rule: 'self != 1500 && self != 4443 && self != 4445' }],
  });
  expect(at('Instance', 'spec', 'ingress', 'port')).toMatchObject(bounds);
});

test('empty gateways, empty policies and unknown words are kept out', () => {
  expect(at('Peer', 'spec', 'gateways').minItems).toBe(1);
  expect(at('Import', 'spec', 'lbScheme').enum).toEqual(['round-robin', 'random', 'static']);
  for (const kind of ['AccessPolicy', 'PrivilegedAccessPolicy']) {
    expect(at(kind, 'spec', 'action').enum).toEqual(['allow', 'deny']);
    expect(at(kind, 'spec', 'from').minItems).toBe(1);
    expect(at(kind, 'spec', 'to').minItems).toBe(1);
    expect(at(kind, 'spec', 'from', '[]').required).toEqual(['workloadSelector']);
  }
  expect(schemas['Import']?.['x-kubernetes-validations']?.[0]?.rule).toContain('<= 63');
});

test('every condition that is shown is one that ClusterLink sets', () => {
  const paths = DEFINITIONS.flatMap(({ spec }) => spec.versions[0]?.additionalPrinterColumns.map(({ jsonPath }) => jsonPath) ?? []);
  const conditions = paths.flatMap((path) => /@\.type=="(\w+)"/.exec(path)?.[1] ?? []);
  expect(conditions.sort()).toEqual(['ExportValid', 'ImportServiceValid', 'ImportTargetPortValid', 'PeerReachable']);
});

describe('an API server that holds the definitions', () => {
  let server: TestApiServer;
  const write = async (object: ReturnType<typeof objectOf>): Promise<number> =>
    (await call(server, 'POST', `${collectionPath(refOf(object))}?dryRun=All`, object)).status;

  beforeAll(async () => {
    server = await startTestServer({ name: 'west' });
    for (const definition of DEFINITIONS) {
      expect(await call(server, 'POST', collectionPath(definition), definition)).toMatchObject({ status: 201 });
    }
    for (const { spec } of DEFINITIONS) {
      await eventually(
        () => call(server, 'GET', `/apis/clusterlink.net/v1alpha1/${spec.names.plural}`),
        ({ status }) => status === 200,
      );
    }
  });
  afterAll(() => server.close());

  test.each(SOUND)('admits %s in %s, as we do', async (...sound) => {
    expect(() => assertSafe(objectOf(sound))).not.toThrow();
    expect(await write(objectOf(sound))).toBe(201);
  });

  test.each(POISON)('refuses %s in %s, as we do', async (...poison) => {
    expect(() => assertSafe(objectOf(poison))).toThrow(expect.objectContaining({ code: 'invalid' }));
    expect(await write(objectOf(poison))).toBe(422);
  });
});

test('a definition is as strict as itself, and one without a schema admits all that ours keeps out', () => {
  for (const definition of DEFINITIONS) expect(looserBounds(definition, definition)).toEqual([]);
  const [peer] = DEFINITIONS;
  expect(peer && looserBounds({}, peer)).toEqual([
    'Peer without spec',
    'spec without gateways',
    'an empty gateways',
    'more than 1 gateways',
    'gateways without host',
    'gateways without port',
    'port outside 1–65535',
  ]);
});

test('what a looser definition admits is told in its own terms', () => {
  const [peer] = DEFINITIONS;
  const loosened = (change: (properties: Record<string, Record<string, unknown>>) => void): readonly string[] => {
    const installed = structuredClone(peer) as unknown as { spec: { versions: { schema: { openAPIV3Schema: Schema } }[] } };
    const gateways = installed.spec.versions[0]?.schema.openAPIV3Schema.properties?.['spec']?.properties?.['gateways'];
    change(gateways?.items?.properties as unknown as Record<string, Record<string, unknown>>);
    return peer === undefined ? [] : looserBounds(installed, peer);
  };
  expect(loosened(({ port = {} }) => delete port['maximum'])).toEqual(['port outside 1–65535']);
  expect(loosened(({ port = {} }) => (port['minimum'] = 0))).toEqual(['port outside 1–65535']);
  expect(loosened(({ port = {} }) => (port['maximum'] = 1024))).toEqual([]);
});

function at(kind: string, ...path: string[]): Schema {
  const start = schemas[kind];
  const found = path.reduce<Schema | undefined>((node, step) => (step === '[]' ? node?.items : node?.properties?.[step]), start);
  if (found === undefined) throw new Error(`${kind} has no ${path.join('.')}`);
  return found;
}

function visit(schema: Schema, look: (node: Schema, path: string) => void, path = ''): void {
  look(schema, path);
  for (const [name, child] of Object.entries(schema.properties ?? {})) visit(child, look, `${path}.${name}`);
  if (schema.items !== undefined) visit(schema.items, look, `${path}[]`);
  if (schema.additionalProperties !== undefined) visit(schema.additionalProperties, look, `${path}{}`);
}
