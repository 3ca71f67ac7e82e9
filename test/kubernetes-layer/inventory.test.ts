import { ensureClaim, releaseClaims } from '../../src/kubernetes/claims';
import { canonicalJson } from '../../src/kubernetes/digest';
import { diffInventory, takeInventory } from '../../src/kubernetes/inventory';
import type { ObjectRef } from '../../src/kubernetes/kube-object';
import type { SimulatedCluster } from './simulated-cluster';
import { startSimulatedCluster } from './simulated-cluster';

const SERVICE: ObjectRef = { apiVersion: 'v1', kind: 'Service', namespace: 'default', name: 'gateway' };
const SECRET: ObjectRef = { apiVersion: 'v1', kind: 'Secret', namespace: 'default', name: 'keys' };

let simulated: SimulatedCluster;
beforeEach(async () => {
  simulated = await startSimulatedCluster();
});
afterEach(() => simulated.close());

function ensure(ref: ObjectRef, fields: object, fabric = 'blue', run = 'run-1'): Promise<unknown> {
  return ensureClaim(simulated.cluster, {
    ref,
    fabric,
    claim: { id: 'member', by: 'bootstrap', run, need: {} },
    compose: () => ({ ...fields }),
  });
}
const inventory = (): ReturnType<typeof takeInventory> => takeInventory(simulated.cluster, { fabric: 'blue' });

test('everything of the fabric is listed, sorted, with its claims; kinds that are unknown are empty', async () => {
  await ensure(SERVICE, { spec: { ports: [{ port: 80 }] } });
  await ensure(SECRET, { data: { key: 'c2VjcmV0' } });
  await ensure({ ...SECRET, name: 'other' }, {}, 'red');
  const entries = await inventory();
  const claims = ['member'];
  expect(entries).toEqual([
    { object: 'Secret default/keys', digest: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown, claims },
    { object: 'Service default/gateway', digest: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown, claims },
  ]);
  expect(JSON.stringify(entries)).not.toContain('c2VjcmV0');
});

test('status, foreign annotations and what the cluster chooses do not count', async () => {
  const fields = { spec: { type: 'LoadBalancer', ports: [{ port: 80, nodePort: 30080 }] } };
  await ensure(SERVICE, fields);
  const before = await inventory();
  await simulated.cluster.patchStatus(SERVICE, { status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } });
  await simulated.cluster.patch(SERVICE, { metadata: { annotations: { note: 'x' } } });
  expect(diffInventory(before, await inventory())).toEqual({ added: [], removed: [], changed: [] });
  await simulated.cluster.delete(SERVICE);
  await ensure(SERVICE, fields);
  expect(await inventory()).toEqual(before);
});

test('what was added, removed or changed is told', async () => {
  await ensure(SERVICE, { spec: { ports: [{ port: 80 }] } });
  await ensure(SECRET, { data: { key: 'b25l' } });
  const before = await inventory();
  await ensure({ ...SECRET, name: 'more' }, { data: {} });
  await simulated.cluster.patch(SECRET, { data: { key: 'dHdv' } });
  await releaseClaims(simulated.cluster, { ref: SERVICE, fabric: 'blue', matches: () => true, compose: () => ({}) });
  expect(diffInventory(before, await inventory())).toEqual({
    added: ['Secret default/more'],
    removed: ['Service default/gateway'],
    changed: ['Secret default/keys'],
  });
});

test('a claim that somebody mangled stops no inventory, and counts as a change', async () => {
  await ensure(SERVICE, { spec: { ports: [{ port: 80 }] } });
  const before = await inventory();
  await simulated.cluster.patch(SERVICE, { metadata: { annotations: { 'claim.skyfabric.io/member': '{}' } } });
  const after = await inventory();
  expect(after[0]?.claims).toEqual(['member']);
  expect(diffInventory(before, after).changed).toEqual(['Service default/gateway']);
});

test('a claim that came counts as a change', async () => {
  await ensure(SECRET, { data: {} });
  const before = await inventory();
  await ensureClaim(simulated.cluster, {
    ref: SECRET,
    fabric: 'blue',
    claim: { id: 'other', by: 'connect', run: 'run-2', need: {} },
    compose: () => ({}),
  });
  expect(diffInventory(before, await inventory()).changed).toEqual(['Secret default/keys']);
});

test('canonical JSON does not depend on the order of keys', () => {
  expect(canonicalJson({ b: [{ d: 1, c: undefined }], a: null })).toBe('{"a":null,"b":[{"d":1}]}');
  expect(canonicalJson(undefined)).toBe('null');
});
