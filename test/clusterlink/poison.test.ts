// The last guard before a cluster: objects that ClusterLink cannot survive, each refused with its reason.
import fc from 'fast-check';
import { assertSafe } from '../../src/clusterlink/poison';
import type { KubeObject } from '../../src/kubernetes/kube-object';

const source = { peer: 'west', exportName: 'web', exportNamespace: 'shop' };
const anybody = [{ workloadSelector: {} }];
const GOOD = {
  Peer: { gateways: [{ host: '203.0.113.7', port: 443 }] },
  Export: { port: 80 },
  Import: { port: 80, sources: [source], lbScheme: 'round-robin' },
  AccessPolicy: { action: 'allow', from: anybody, to: anybody },
} as const;

test.each(Object.entries(GOOD))('a sound %s passes', (kind, spec) => {
  expect(() => assertSafe(make(kind, spec))).not.toThrow();
});

test('other kinds are let through unread', () => {
  expect(() => assertSafe({ apiVersion: 'v1', kind: 'Peer', metadata: { name: '!' } })).not.toThrow();
  expect(() => assertSafe(make('Instance', {}))).not.toThrow();
});

test.each<[string, string, object, string]>([
  ['no gateways', 'Peer', { gateways: [] }, 'spec.gateways: must not be empty: the control plane would crash'],
  ['port 0', 'Peer', { gateways: [{ host: 'gw.example', port: 0 }] }, 'spec.gateways.0.port: must be 1–65535'],
  ['port 65536', 'Peer', { gateways: [{ host: 'gw.example', port: 65536 }] }, 'spec.gateways.0.port: must be 1–65535'],
  ['a fraction of a port', 'Peer', { gateways: [{ host: 'gw.example', port: 1.5 }] }, 'spec.gateways.0.port: must be a whole number'],
  [
    'a host that is none',
    'Peer',
    { gateways: [{ host: 'gw_1!', port: 443 }] },
    'spec.gateways.0.host: must be a DNS name or an IP address',
  ],
  [
    'a URL for a host',
    'Peer',
    { gateways: [{ host: 'https://gw.example', port: 443 }] },
    'spec.gateways.0.host: must be a DNS name or an IP address',
  ],
  [
    'a number for an address',
    'Peer',
    { gateways: [{ host: '1.2.3.999', port: 443 }] },
    'spec.gateways.0.host: must be a DNS name or an IP address',
  ],
  ['port -1', 'Export', { port: -1 }, 'spec.port: must be 1–65535'],
  ['an empty host', 'Export', { host: '', port: 80 }, 'spec.host: must be a DNS name or an IP address'],
  ['port 70000', 'Import', { ...GOOD.Import, port: 70000 }, 'spec.port: must be 1–65535'],
  ['an unknown lbScheme', 'Import', { ...GOOD.Import, lbScheme: 'fastest' }, 'spec.lbScheme: '],
  ['targetPort 4443', 'Import', { ...GOOD.Import, targetPort: 4443 }, 'spec.targetPort: must not be 1500, 4443, 4445'],
  ['targetPort 80', 'Import', { ...GOOD.Import, targetPort: 80 }, 'spec.targetPort: must be 1024–49151'],
  ['a targetPort of its own choice', 'Import', { ...GOOD.Import, targetPort: 9000 }, 'spec.targetPort: must be left to the control plane'],
  ['a source without a peer', 'Import', { ...GOOD.Import, sources: [{ ...source, peer: '' }] }, 'spec.sources.0.peer: must not be empty'],
  ['an unknown action', 'AccessPolicy', { ...GOOD.AccessPolicy, action: 'permit' }, 'spec.action: '],
  ['an empty from', 'AccessPolicy', { ...GOOD.AccessPolicy, from: [] }, 'spec.from: must not be empty'],
  ['an empty to', 'AccessPolicy', { ...GOOD.AccessPolicy, to: [] }, 'spec.to: must not be empty'],
  ['workloadSets', 'AccessPolicy', { ...GOOD.AccessPolicy, to: [{ workloadSets: ['all'] }] }, 'spec.to.0.workloadSets: must be empty'],
  ['no selector', 'AccessPolicy', { ...GOOD.AccessPolicy, to: [{}] }, 'spec.to.0.workloadSelector: '],
  [
    'a label key with two slashes',
    'AccessPolicy',
    selecting({ matchLabels: { 'client.clusterlink.net/labels.app.kubernetes.io/name': 'x' } }),
    'must be a Kubernetes label key',
  ],
  ['a value that is no label value', 'AccessPolicy', selecting({ matchLabels: { app: 'not ok' } }), 'must be a Kubernetes label value'],
  [
    'an unknown operator',
    'AccessPolicy',
    selecting({ matchExpressions: [{ key: 'app', operator: 'Is', values: ['x'] }] }),
    'matchExpressions.0.operator: ',
  ],
  [
    'In without values',
    'AccessPolicy',
    selecting({ matchExpressions: [{ key: 'app', operator: 'In', values: [] }] }),
    'must not be empty with In',
  ],
  [
    'Exists with values',
    'AccessPolicy',
    selecting({ matchExpressions: [{ key: 'app', operator: 'Exists', values: ['x'] }] }),
    'must be empty with Exists',
  ],
  ['a misspelt selector', 'AccessPolicy', selecting({ matchLabel: {} }), 'matchLabel'],
])('%s in %s is refused', (_what, kind, spec, problem) => {
  expect(() => assertSafe(make(kind, spec))).toThrow(
    expect.objectContaining({ code: 'invalid', message: expect.stringContaining(problem) }),
  );
});

test('the targetPort that stands on the cluster may be sent back, and no other', () => {
  const current = make('Import', { ...GOOD.Import, targetPort: 20000 });
  expect(() => assertSafe(make('Import', { ...GOOD.Import, targetPort: 20000 }), current)).not.toThrow();
  expect(() => assertSafe(make('Import', { ...GOOD.Import, targetPort: 20001 }), current)).toThrow('must be left to the control plane');
});

test.each(['Peer', 'Export', 'Import'] as const)('the name of a %s has at most 63 characters and a namespace', (kind) => {
  const named = (name: string, namespace?: string): KubeObject => ({ ...make(kind, GOOD[kind]), metadata: { name, namespace } });
  expect(() => assertSafe(named('a'.repeat(63), 'shop'))).not.toThrow();
  expect(() => assertSafe(named('a'.repeat(64), 'shop'))).toThrow('metadata.name: must be at most 63 characters');
  expect(() => assertSafe(named('web'))).toThrow('metadata.namespace');
  expect(() => assertSafe(named('Web', 'shop'))).toThrow('metadata.name');
});

test('a privileged policy is cluster-wide', () => {
  const privileged = { ...make('PrivilegedAccessPolicy', GOOD.AccessPolicy), metadata: { name: 'everybody' } };
  expect(() => assertSafe(privileged)).not.toThrow();
  expect(() => assertSafe({ ...privileged, metadata: { name: 'everybody', namespace: 'shop' } })).toThrow('it is cluster-wide');
});

test('all problems are told at once, with the object that has them', () => {
  const bad = make('Import', { port: 0, targetPort: 4443, sources: [], lbScheme: 'x' });
  expect(() => assertSafe(bad)).toThrow(
    expect.objectContaining({
      message: expect.stringMatching(/^Import shop\/web has \d problems:[^]*spec\.port[^]*spec\.targetPort[^]*spec\.lbScheme/),
    }),
  );
});

test('whatever number stands for a port, only TCP ports pass', () => {
  fc.assert(
    fc.property(fc.oneof(fc.integer({ min: -70000, max: 140000 }), fc.double()), (port) => {
      const passes = Number.isInteger(port) && port >= 1 && port <= 65535;
      const attempts = [
        make('Peer', { gateways: [{ host: 'gw.example', port }] }),
        make('Export', { port }),
        make('Import', { ...GOOD.Import, port }),
      ];
      return attempts.every((object) => isSafe(object) === passes);
    }),
  );
});

function selecting(workloadSelector: object): object {
  return { ...GOOD.AccessPolicy, from: [{ workloadSelector }] };
}

function make(kind: string, spec: object): KubeObject {
  const object = { apiVersion: 'clusterlink.net/v1alpha1', kind, metadata: { name: 'web', namespace: 'shop' }, spec };
  return object;
}

function isSafe(object: KubeObject): boolean {
  try {
    assertSafe(object);
    return true;
  } catch {
    return false;
  }
}
