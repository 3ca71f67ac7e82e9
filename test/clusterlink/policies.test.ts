// The access policies of a connection, judged as ClusterLink's control planes judge them.
import { assertSafe } from '../../src/clusterlink/poison';
import { egressPolicy, ingressPolicy } from '../../src/clusterlink/policies';
import type { LabelSelector } from '../../src/clusterlink/resources';
import { access } from '../../src/model/connection';

const service = { name: 'web', namespace: 'shop' };
const base = { name: 'web-1', service };
const client = {
  'peer.clusterlink.net/name': 'east',
  'client.clusterlink.net/namespace': 'shop',
  'client.clusterlink.net/service-account': 'checkout',
  'client.clusterlink.net/labels.app': 'checkout',
};
const server = { 'peer.clusterlink.net/name': 'west', 'export.clusterlink.net/name': 'web', 'export.clusterlink.net/namespace': 'shop' };

const egress = (given: object = {}) => egressPolicy({ ...base, access: access.parse(given), exporters: ['west', 'south'] });
const ingress = (given: object = {}) => ingressPolicy({ ...base, access: access.parse(given), importers: ['east'] });

test('by default the importing peer lets anybody use just this service on the exporting peers', () => {
  expect(admits(egress(), client, server)).toBe(true);
  expect(admits(egress(), {}, server)).toBe(true);
  expect(admits(egress(), client, { ...server, 'export.clusterlink.net/name': 'db' })).toBe(false);
  expect(admits(egress(), client, { ...server, 'export.clusterlink.net/namespace': 'other' })).toBe(false);
  expect(admits(egress(), client, { ...server, 'peer.clusterlink.net/name': 'north' })).toBe(false);
});

test('by default the exporting peer admits the importing peers to just this service', () => {
  expect(admits(ingress(), client, server)).toBe(true);
  expect(admits(ingress(), { ...client, 'peer.clusterlink.net/name': 'north' }, server)).toBe(false);
  expect(admits(ingress(), {}, server)).toBe(false);
  expect(admits(ingress(), client, { ...server, 'export.clusterlink.net/name': 'db' })).toBe(false);
});

test.each([
  ['namespace', { namespace: 'shop' }, 'client.clusterlink.net/namespace'],
  ['service account', { serviceAccount: 'checkout' }, 'client.clusterlink.net/service-account'],
  ['label', { labels: { app: 'checkout' } }, 'client.clusterlink.net/labels.app'],
])('a client %s narrows both sides', (_what, clients, attribute) => {
  for (const policy of [egress({ clients }), ingress({ clients })]) {
    expect(admits(policy, client, server)).toBe(true);
    expect(admits(policy, { ...client, [attribute]: 'other' }, server)).toBe(false);
  }
});

test('all that is asked of clients must hold', () => {
  const policy = ingress({ clients: { namespace: 'shop', labels: { app: 'checkout', tier: 'gold' } } });
  expect(admits(policy, client, server)).toBe(false);
  expect(admits(policy, { ...client, 'client.clusterlink.net/labels.tier': 'gold' }, server)).toBe(true);
});

test('client labels that ClusterLink cannot select by are refused by name, all at once, also past the schema', () => {
  const labels = { 'app.kubernetes.io/name': 'checkout', ['a'.repeat(57)]: 'x', app: 'checkout' };
  const unread = { ...access.parse({}), clients: { labels } };
  const common = { name: 'echo', service: { name: 'echo', namespace: 'demo', port: 80 }, access: unread };
  for (const make of [() => egressPolicy({ ...common, exporters: ['west'] }), () => ingressPolicy({ ...common, importers: ['east'] })]) {
    expect(make).toThrow(
      expect.objectContaining({ code: 'invalid', message: expect.stringMatching(/"app\.kubernetes\.io\/name", "a{57}":/) }),
    );
  }
  expect(() => assertSafe(ingress({ clients: { labels: { ['a'.repeat(56)]: 'x' } } }))).not.toThrow();
});

test('allow-all admits everybody to everything', () => {
  for (const policy of [egress({ mode: 'allow-all' }), ingress({ mode: 'allow-all' })]) {
    expect(admits(policy, {}, {})).toBe(true);
    expect(policy.spec).toEqual({ action: 'allow', from: [{ workloadSelector: {} }], to: [{ workloadSelector: {} }] });
  }
});

test('policies stand in the namespace of the service, privileged ones cluster-wide', () => {
  expect(egress()).toMatchObject({ kind: 'AccessPolicy', metadata: { name: 'web-1', namespace: 'shop' } });
  expect(ingress({ privileged: true })).toMatchObject({ kind: 'PrivilegedAccessPolicy', metadata: { name: 'web-1' } });
  expect(ingress({ privileged: true }).metadata).not.toHaveProperty('namespace');
});

test('the same peers in another order make the same policy', () => {
  const make = (exporters: string[]) => egressPolicy({ ...base, access: access.parse({}), exporters });
  expect(make(['a', 'b', 'a'])).toEqual(make(['b', 'a']));
});

test('every policy made here is safe to send', () => {
  for (const given of [
    {},
    { mode: 'allow-all' },
    { privileged: true },
    { clients: { namespace: 'shop', serviceAccount: 'x', labels: { app: 'y' } } },
  ]) {
    for (const make of [egress, ingress]) expect(() => assertSafe(make(given))).not.toThrow();
  }
});

/** ClusterLink's own rule: any of `from`, and any of `to`, must match. */
function admits(policy: ReturnType<typeof egress>, from: Record<string, string>, to: Record<string, string>): boolean {
  const { spec } = policy;
  return (
    spec.from.some(({ workloadSelector }) => matches(workloadSelector, from)) &&
    spec.to.some(({ workloadSelector }) => matches(workloadSelector, to))
  );
}

function matches({ matchLabels = {}, matchExpressions = [] }: LabelSelector, attributes: Record<string, string>): boolean {
  const labels = Object.entries(matchLabels).every(([key, value]) => attributes[key] === value);
  return labels && matchExpressions.every(({ key, values = [] }) => values.includes(attributes[key] ?? '\0'));
}
