// Who may connect: the decision that ClusterLink's control plane takes from its access policies, on either side of a connection.
// Source: ClusterLink v0.4.1, docs of AccessPolicy and PrivilegedAccessPolicy.
import type { PodIdentity } from '../network';
import type { AccessPolicyResource, LabelSelector } from './resources';

/** What is known of a client or a service, by attribute. */
export type Attributes = Readonly<Record<string, string>>;

/** The policies of a cluster. */
export interface Policies {
  readonly privileged: readonly AccessPolicyResource[];
  readonly regular: readonly AccessPolicyResource[];
}

/** The attributes of a calling pod; none when the pod is not known. */
export function clientAttributes(caller: PodIdentity | undefined, peer: string, peerLabels: Attributes): Attributes {
  if (caller === undefined) return {};
  return {
    'peer.clusterlink.net/name': peer,
    'client.clusterlink.net/namespace': caller.namespace,
    'client.clusterlink.net/service-account': caller.serviceAccount,
    ...prefixed('client.clusterlink.net/labels.', caller.labels),
    ...prefixed('peer.clusterlink.net/labels.', peerLabels),
  };
}

/** The attributes of an exported service on a peer. */
export function serviceAttributes(
  service: { readonly name: string; readonly namespace: string; readonly labels: Attributes },
  peer: string,
  peerLabels: Attributes,
): Attributes {
  return {
    'export.clusterlink.net/name': service.name,
    'export.clusterlink.net/namespace': service.namespace,
    'peer.clusterlink.net/name': peer,
    ...prefixed('export.clusterlink.net/labels.', service.labels),
    ...prefixed('peer.clusterlink.net/labels.', peerLabels),
  };
}

/**
 * Whether a connection is allowed: privileged policies first, then those of the namespace; deny wins within a tier; no match is no.
 * A client without attributes is refused as soon as any policy of the cluster looks at clients.
 */
export function isAllowed(policies: Policies, client: Attributes, service: Attributes, namespace: string): boolean {
  const privileged = policies.privileged.filter(isValid);
  const regular = policies.regular.filter(isValid);
  if (Object.keys(client).length === 0 && [...privileged, ...regular].some(looksAtClients)) return false;
  for (const tier of [privileged, regular.filter((policy) => policy.metadata.namespace === namespace)]) {
    const actions = tier.filter(({ spec }) => matchesAny(spec.from, client) && matchesAny(spec.to, service)).map(({ spec }) => spec.action);
    if (actions.includes('deny')) return false;
    if (actions.length > 0) return true;
  }
  return false;
}

/** Whether a label selector admits these labels; without any selector nothing is admitted. */
export function selects(selector: LabelSelector | undefined, labels: Attributes): boolean {
  if (selector === undefined) return false;
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        case 'DoesNotExist':
          return value === undefined;
        default:
          return false;
      }
    })
  );
}

/** An invalid policy is ignored, and nobody is told. */
function isValid({ spec }: AccessPolicyResource): boolean {
  return ['allow', 'deny'].includes(spec.action) && (spec.from ?? []).length > 0 && (spec.to ?? []).length > 0;
}

function looksAtClients({ spec }: AccessPolicyResource): boolean {
  return (spec.from ?? []).some(
    ({ workloadSelector }) =>
      Object.keys(workloadSelector?.matchLabels ?? {}).length > 0 || (workloadSelector?.matchExpressions ?? []).length > 0,
  );
}

function matchesAny(items: AccessPolicyResource['spec']['from'], attributes: Attributes): boolean {
  return (items ?? []).some(({ workloadSelector }) => selects(workloadSelector, attributes));
}

function prefixed(prefix: string, labels: Attributes): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([key, value]) => [prefix + key, value]));
}
