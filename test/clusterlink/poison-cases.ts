// Objects that ClusterLink's upstream definitions admit and ClusterLink does not survive, or ignores, beside sound ones: the same
// tables for our own validation and for API servers that hold our definitions.
import type { KubeObject } from '../../src/kubernetes/kube-object';

/** What the case is about, its kind, its spec. */
export type Case = readonly [what: string, kind: string, spec: object];

const source = { peer: 'west', exportName: 'web', exportNamespace: 'shop' };
const anybody = [{ workloadSelector: {} }];
const PEER = { gateways: [{ host: '203.0.113.7', port: 443 }] };
const IMPORT = { port: 80, sources: [source], lbScheme: 'round-robin' };
const POLICY = { action: 'allow', from: anybody, to: anybody };
const POLICY_KINDS = ['AccessPolicy', 'PrivilegedAccessPolicy'] as const;
const BAD_PORTS = [-1, 0, 65536, 70000, 1.5];

/** Every server with our definitions, and `assertSafe`, must admit these. */
export const SOUND: readonly Case[] = [
  ['port 1', 'Export', { port: 1 }],
  ['a host', 'Export', { host: 'db.example', port: 65535 }],
  ...['round-robin', 'random', 'static'].map((lbScheme): Case => [`scheme ${lbScheme}`, 'Import', { ...IMPORT, lbScheme }]),
  ['no sources', 'Import', { ...IMPORT, sources: [] }],
  ...POLICY_KINDS.flatMap((kind): Case[] => [
    ['everything allowed', kind, POLICY],
    ['everything denied', kind, { ...POLICY, action: 'deny' }],
    ['empty workloadSets beside a selector', kind, { ...POLICY, to: [{ workloadSets: [], workloadSelector: {} }] }],
    [
      'a selector of both forms',
      kind,
      {
        ...POLICY,
        from: [{ workloadSelector: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'In', values: ['x'] }] } }],
      },
    ],
  ]),
];

/** Every server with our definitions, and `assertSafe`, must refuse these. */
export const POISON: readonly Case[] = [
  ['no gateways', 'Peer', { gateways: [] }],
  ['two gateways', 'Peer', { gateways: [...PEER.gateways, { host: 'gw.example', port: 65535 }] }],
  ['gateways left out', 'Peer', {}],
  ['a gateway without a host', 'Peer', { gateways: [{ port: 443 }] }],
  ...BAD_PORTS.flatMap((port): Case[] => [
    [`port ${port}`, 'Peer', { gateways: [{ host: 'gw.example', port }] }],
    [`port ${port}`, 'Export', { port }],
    [`port ${port}`, 'Import', { ...IMPORT, port }],
    [`targetPort ${port}`, 'Import', { ...IMPORT, targetPort: port }],
  ]),
  ...[1500, 4443, 4445].map((targetPort): Case => [`targetPort ${targetPort}`, 'Import', { ...IMPORT, targetPort }]),
  ['an unknown lbScheme', 'Import', { ...IMPORT, lbScheme: 'fastest' }],
  ['an empty lbScheme', 'Import', { ...IMPORT, lbScheme: '' }],
  ...POLICY_KINDS.flatMap((kind): Case[] => [
    ['an unknown action', kind, { ...POLICY, action: 'permit' }],
    ['an empty from', kind, { ...POLICY, from: [] }],
    ['an empty to', kind, { ...POLICY, to: [] }],
    ['neither selector', kind, { ...POLICY, to: [{}] }],
    ['workloadSets for a selector', kind, { ...POLICY, from: [{ workloadSets: ['all'] }] }],
    ['both selectors', kind, { ...POLICY, to: [{ workloadSets: ['all'], workloadSelector: {} }] }],
    ['an unknown operator', kind, { ...POLICY, to: [{ workloadSelector: { matchExpressions: [{ key: 'app', operator: 'Is' }] } }] }],
  ]),
];

/** The object of a case, in namespace `default` where its kind has one. */
export function objectOf([, kind, spec]: Case): KubeObject {
  const namespace = kind === 'PrivilegedAccessPolicy' ? {} : { namespace: 'default' };
  const object = { apiVersion: 'clusterlink.net/v1alpha1', kind, metadata: { name: 'web', ...namespace }, spec };
  return object;
}
