import { clientAttributes, isAllowed, selects, serviceAttributes } from '../../../src/playground/gateway-agent/access-policy';
import type { AccessPolicyResource, LabelSelector } from '../../../src/playground/gateway-agent/resources';
import { SourceOrder } from '../../../src/playground/gateway-agent/source-order';

const caller = { namespace: 'shop', name: 'web-1', labels: { app: 'web' }, serviceAccount: 'web' };
const client = clientAttributes(caller, 'east', { region: 'eu' });
const service = serviceAttributes({ name: 'echo', namespace: 'demo', labels: {} }, 'west', {});
const everything: LabelSelector = {};

function policy(action: string, from: LabelSelector, to: LabelSelector = everything, namespace = 'demo'): AccessPolicyResource {
  return {
    apiVersion: 'clusterlink.net/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { name: 'one', namespace },
    spec: { action, from: [{ workloadSelector: from }], to: [{ workloadSelector: to }] },
  };
}

const decide = (regular: AccessPolicyResource[], privileged: AccessPolicyResource[] = [], of = client): boolean =>
  isAllowed({ regular, privileged }, of, service, 'demo');

describe('the decision about a connection', () => {
  it('allows nothing by default', () => {
    expect(decide([])).toBe(false);
    expect(decide([policy('allow', everything)])).toBe(true);
  });

  it('knows the caller by namespace, service account, labels and peer', () => {
    const known = {
      'client.clusterlink.net/namespace': 'shop',
      'client.clusterlink.net/service-account': 'web',
      'client.clusterlink.net/labels.app': 'web',
      'peer.clusterlink.net/name': 'east',
      'peer.clusterlink.net/labels.region': 'eu',
    };
    expect(decide([policy('allow', { matchLabels: known })])).toBe(true);
    for (const key of Object.keys(known)) expect(decide([policy('allow', { matchLabels: { ...known, [key]: 'other' } })])).toBe(false);
  });

  it('knows the service by name, namespace and peer', () => {
    const known = {
      'export.clusterlink.net/name': 'echo',
      'export.clusterlink.net/namespace': 'demo',
      'peer.clusterlink.net/name': 'west',
    };
    expect(decide([policy('allow', everything, { matchLabels: known })])).toBe(true);
    for (const key of Object.keys(known))
      expect(decide([policy('allow', everything, { matchLabels: { ...known, [key]: 'other' } })])).toBe(false);
  });

  it('lets deny win within a tier, and the privileged tier over the other', () => {
    const [allow, deny] = [policy('allow', everything), policy('deny', everything)];
    expect(decide([allow, deny])).toBe(false);
    expect(decide([deny], [allow])).toBe(true);
    expect(decide([allow], [deny])).toBe(false);
  });

  it('looks only at policies of the namespace, and ignores invalid ones', () => {
    expect(decide([policy('allow', everything, everything, 'other')])).toBe(false);
    expect(decide([policy('permit', everything)])).toBe(false);
    expect(decide([policy('allow', everything), { ...policy('deny', everything), spec: { action: 'deny', from: [], to: [] } }])).toBe(true);
  });

  it('refuses unknown callers as soon as any policy looks at callers', () => {
    const unknown = clientAttributes(undefined, 'east', {});
    expect(decide([policy('allow', everything)], [], unknown)).toBe(true);
    expect(decide([policy('allow', everything), policy('deny', { matchLabels: { any: 'thing' } }, everything, 'other')], [], unknown)).toBe(
      false,
    );
  });

  it.each([
    ['In', ['a', 'b'], [true, false, false]],
    ['NotIn', ['a', 'b'], [false, true, true]],
    ['Exists', [], [true, true, false]],
    ['DoesNotExist', [], [false, false, true]],
    ['Near', [], [false, false, false]],
  ])('selects with the operator %s as Kubernetes does', (operator, values, expected) => {
    const selector = { matchExpressions: [{ key: 'k', operator, values }] };
    expect([{ k: 'a' }, { k: 'c' }, {}].map((labels) => selects(selector, labels))).toEqual(expected);
  });
});

describe('the order in which sources are tried', () => {
  const sources = ['a', 'b', 'c'].map((peer) => ({ peer, exportName: 'echo', exportNamespace: 'demo' }));
  const peers = (order: SourceOrder, lbScheme: string): string[] | undefined => {
    const tried = order.next('demo/echo', { port: 80, lbScheme, sources });
    return tried && [...tried].map(({ peer }) => peer);
  };
  const first = (order: SourceOrder): string | undefined => {
    for (const { peer } of order.next('demo/echo', { port: 80, sources }) ?? []) return peer;
    return undefined;
  };

  it('goes round by default, and starts each connection at the next one', () => {
    const order = new SourceOrder();
    expect([first(order), first(order), first(order), first(order)]).toEqual(['b', 'c', 'a', 'b']);
  });

  it('moves the next connection on by every source that was tried', () => {
    const order = new SourceOrder();
    expect(peers(order, 'round-robin')).toEqual(['b', 'c', 'a']);
    expect(first(order)).toBe('b');
  });

  it("keeps the list's order with static, and begins anywhere with random", () => {
    expect(peers(new SourceOrder(), 'static')).toEqual(['a', 'b', 'c']);
    expect(peers(new SourceOrder(() => 0.99), 'random')).toEqual(['c', 'a', 'b']);
  });

  it('has none for an unknown scheme', () => {
    expect(peers(new SourceOrder(), 'fastest')).toBeUndefined();
  });
});
