// What in a cluster is named as not well.
import { leadsOf, type ClusterSight } from '../../../src/cli/diagnose/cluster-leads';
import type { KubeObject } from '../../../src/kubernetes/kube-object';

const NOW = new Date('2026-01-02T00:00:00Z');
const object = (kind: string, name: string, more: object): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, namespace: 'cl' },
  ...more,
});
const look = (more: Partial<ClusterSight>): string[] =>
  leadsOf({ peer: 'west', namespace: 'cl', objects: [], resources: [], unread: new Set(), ...more }, NOW);

const DEPLOYMENT = object('Deployment', 'cl-controlplane', { status: { readyReplicas: 1 } });
const conditions = (...list: object[]): object => ({ status: { conditions: list } });

test('a gateway that is well gives nothing to look at', () => {
  const certificates = [{ subject: 'west', notAfter: '2036-01-01T00:00:00.000Z' }];
  expect(
    look({
      objects: [
        DEPLOYMENT,
        object('Pod', 'p', {
          status: { conditions: [{ type: 'Ready', status: 'True' }], containerStatuses: [{ name: 'c', restartCount: 0 }] },
        }),
        object('Secret', 'cl-peer', { data: { 'cert.pem': { bytes: 9, certificates } } }),
        object('Event', 'e', { type: 'Normal' }),
      ],
      resources: [object('Peer', 'east', conditions({ type: 'PeerReachable', status: 'True' })), object('AccessPolicy', 'all', {})],
    }),
  ).toEqual([]);
});

test('everything that is not well is named', () => {
  const certificates = [
    { subject: 'west', notAfter: '2026-01-20T00:00:00.000Z' },
    { subject: 'ca', notAfter: '2026-01-01T00:00:00.000Z' },
  ];
  expect(
    look({
      objects: [
        object('Deployment', 'cl-dataplane', { spec: { replicas: 2 }, status: { readyReplicas: 1 } }),
        object('Pod', 'p', {
          status: { containerStatuses: [{ name: 'c', restartCount: 3, state: { waiting: { reason: 'CrashLoopBackOff' } } }] },
        }),
        object('Secret', 'cl-peer', { data: { 'cert.pem': { bytes: 9, certificates } } }),
        object('Event', 'e', { type: 'Warning', reason: 'BackOff', message: 'restarting' }),
      ],
      resources: [
        object('Peer', 'east', {}),
        object(
          'Import',
          'echo',
          conditions(
            { type: 'ImportTargetPortValid', status: 'True' },
            { type: 'ImportServiceValid', status: 'False', reason: 'Error', message: 'conflict' },
          ),
        ),
      ],
    }),
  ).toEqual([
    'west: Deployment cl/cl-dataplane has 1 of 2 replicas ready',
    'west: Pod cl/p: container c waits: CrashLoopBackOff',
    'west: Pod cl/p restarted 3 times',
    'west: Peer cl/east has no condition PeerReachable',
    'west: Import cl/echo: ImportServiceValid is False: Error, conflict',
    'west: Secret cl/cl-peer, cert.pem: the certificate of west ends on 2026-01-20T00:00:00.000Z',
    'west: Secret cl/cl-peer, cert.pem: the certificate of ca ended on 2026-01-01T00:00:00.000Z',
    'west: 1 warning event, the latest: BackOff: restarting',
  ]);
});

test('a gateway that is gone is told, unless nobody could look', () => {
  expect(look({})).toEqual(['west: there is no Deployment in namespace cl, so no gateway']);
  expect(look({ unread: new Set(['Deployment']) })).toEqual([]);
});
