// What is not well in a cluster: the first things that somebody who knows ClusterLink would look up by hand.
import type { Condition, KubeObject } from '../../kubernetes/kube-object';
import { explainPod, type Pod } from '../../kubernetes/pods';
import { CONDITION } from '../../clusterlink/resources';
import type { SecretView } from './object-view';

/** What was seen of a cluster. */
export interface ClusterSight {
  readonly peer: string;
  /** Of the gateway. */
  readonly namespace: string;
  /** Those in the namespaces of the gateway and of the operator. */
  readonly objects: readonly KubeObject[];
  /** ClusterLink's. */
  readonly resources: readonly KubeObject[];
  /** Kinds that could not be listed: that none of them is there means nothing. */
  readonly unread: ReadonlySet<string>;
}

/** A pod with the names of its containers. */
export type PodObject = Pod & {
  readonly spec?: {
    readonly initContainers?: readonly { readonly name: string }[];
    readonly containers?: readonly { readonly name: string }[];
  };
};

type Deployment = KubeObject & { readonly spec?: { readonly replicas?: number }; readonly status?: { readonly readyReplicas?: number } };
type Resource = KubeObject & { readonly status?: { readonly conditions?: unknown } };
type Event = KubeObject & { readonly type?: string; readonly reason?: string; readonly message?: string };

/** The conditions that each kind should have. */
const CONDITIONS: Readonly<Record<string, readonly string[]>> = {
  Peer: [CONDITION.peerReachable],
  Export: [CONDITION.exportValid],
  Import: [CONDITION.importTargetPortValid, CONDITION.importServiceValid],
};

const NEAR_END_MS = 30 * 86_400_000;

/** What is not well, one line each, beginning with the peer's name; the gateway first. */
export function leadsOf({ peer, namespace, objects, resources, unread }: ClusterSight, now: Date): string[] {
  const of = (kind: string): readonly KubeObject[] => objects.filter((object) => object.kind === kind);
  const isGone = !unread.has('Deployment') && !of('Deployment').some(({ metadata }) => metadata.namespace === namespace);
  return [
    ...(isGone ? [`there is no Deployment in namespace ${namespace}, so no gateway`] : []),
    ...of('Deployment').flatMap(deploymentLeads),
    ...of('Pod').flatMap(podLeads),
    ...resources.flatMap(conditionLeads),
    ...of('Secret').flatMap((secret) => certificateLeads(secret as SecretView, now)),
    ...warningLeads(of('Event')),
  ].map((lead) => `${peer}: ${lead}`);
}

function deploymentLeads(object: KubeObject): string[] {
  const { spec, status } = object as Deployment;
  const wanted = spec?.replicas ?? 1;
  const ready = status?.readyReplicas ?? 0;
  return ready >= wanted ? [] : [`${nameOf(object)} has ${ready} of ${wanted} replicas ready`];
}

function podLeads(object: KubeObject): string[] {
  const pod = object as Pod;
  const why = explainPod(pod);
  const restarts = (pod.status?.containerStatuses ?? []).reduce((sum, { restartCount = 0 }) => sum + restartCount, 0);
  return [
    ...(why === undefined ? [] : [`${nameOf(pod)}: ${why}`]),
    ...(restarts === 0 ? [] : [`${nameOf(pod)} restarted ${restarts} ${restarts === 1 ? 'time' : 'times'}`]),
  ];
}

function conditionLeads(object: KubeObject): string[] {
  const { conditions } = (object as Resource).status ?? {};
  const found = (Array.isArray(conditions) ? conditions : []) as readonly Condition[];
  return (CONDITIONS[object.kind] ?? []).flatMap((type) => {
    const condition = found.find((one) => one.type === type);
    if (condition?.status === 'True') return [];
    if (condition === undefined) return [`${nameOf(object)} has no condition ${type}`];
    const why = [condition.reason, condition.message].filter((part) => part !== undefined && part !== '').join(', ');
    return [`${nameOf(object)}: ${type} is ${condition.status}${why === '' ? '' : `: ${why}`}`];
  });
}

function certificateLeads(secret: SecretView, now: Date): string[] {
  return Object.entries(secret.data).flatMap(([key, { certificates = [] }]) =>
    certificates
      .filter(({ notAfter }) => Date.parse(notAfter) < now.getTime() + NEAR_END_MS)
      .map(({ subject, notAfter }) => {
        const ended = Date.parse(notAfter) <= now.getTime();
        return `${nameOf(secret)}, ${key}: the certificate of ${subject} ${ended ? 'ended' : 'ends'} on ${notAfter}`;
      }),
  );
}

function warningLeads(events: readonly KubeObject[]): string[] {
  const warnings = (events as readonly Event[]).filter(({ type }) => type === 'Warning');
  const last = warnings.at(-1);
  if (last === undefined) return [];
  return [
    `${warnings.length} warning ${warnings.length === 1 ? 'event' : 'events'}, the latest: ${last.reason ?? ''}: ${last.message ?? ''}`,
  ];
}

function nameOf({ kind, metadata: { namespace, name } }: KubeObject): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}
