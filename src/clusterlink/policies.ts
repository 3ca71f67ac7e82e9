// The access policies of a connection. ClusterLink asks both sides: the importing peer whether its workload may go out, the
// exporting peer whether it may come in; so each connection has a policy on each.
import { FabricError } from '../errors/fabric-error';
import type { Access, Service } from '../model/connection';
import {
  ATTRIBUTE,
  CLUSTERLINK_API_VERSION,
  type AccessPolicyResource,
  type AccessPolicySpec,
  type LabelSelector,
  type PrivilegedAccessPolicyResource,
} from './resources';

interface PolicyOptions {
  /** Name of the policy object; a privileged one shares its name space with the whole cluster. */
  readonly name: string;
  readonly service: Pick<Service, 'name' | 'namespace'>;
  readonly access: Access;
}

/** A selector that selects everything. */
const ANYTHING: LabelSelector = {};

/** Longest and plainest label key that, behind `client.clusterlink.net/labels.`, is still a label key. */
const SELECTABLE_LABEL = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,54}[A-Za-z0-9])?$/;

/**
 * The policy of an importing peer: its workloads may use the service on the exporting peers.
 * @throws FabricError `invalid` for client labels that ClusterLink cannot select by
 */
export function egressPolicy(
  options: PolicyOptions & { readonly exporters: readonly string[] },
): AccessPolicyResource | PrivilegedAccessPolicyResource {
  const { access, service, exporters } = options;
  if (access.mode === 'allow-all') return policy(options, ANYTHING, ANYTHING);
  return policy(options, clientSelector(access), withPeers(serviceLabels(service), exporters));
}

/**
 * The policy of an exporting peer: workloads of the importing peers may use the service here. It looks at who is calling,
 * so callers that the other side cannot name (pods on the host's network) are refused, as ClusterLink does.
 * @throws FabricError `invalid` for client labels that ClusterLink cannot select by
 */
export function ingressPolicy(
  options: PolicyOptions & { readonly importers: readonly string[] },
): AccessPolicyResource | PrivilegedAccessPolicyResource {
  const { access, service, importers } = options;
  if (access.mode === 'allow-all') return policy(options, ANYTHING, ANYTHING);
  return policy(options, withPeers(clientSelector(access).matchLabels, importers), { matchLabels: serviceLabels(service) });
}

/**
 * The callers that an access spec admits.
 * @throws FabricError `invalid` for client labels that ClusterLink cannot select by, all at once
 */
function clientSelector(access: Access): LabelSelector {
  const { namespace, serviceAccount, labels = {} } = access.clients ?? {};
  const unusable = Object.keys(labels).filter((key) => !SELECTABLE_LABEL.test(key));
  if (unusable.length > 0) {
    throw new FabricError({
      code: 'invalid',
      message: `ClusterLink cannot select callers by ${unusable.map((key) => JSON.stringify(key)).join(', ')}: it takes label keys without a "/", of at most 56 characters`,
      hint: 'Choose another label of the calling pods, such as "app", or their namespace or service account.',
    });
  }
  const matchLabels = {
    ...(namespace === undefined ? {} : { [ATTRIBUTE.clientNamespace]: namespace }),
    ...(serviceAccount === undefined ? {} : { [ATTRIBUTE.clientServiceAccount]: serviceAccount }),
    ...Object.fromEntries(Object.entries(labels).map(([key, value]) => [`${ATTRIBUTE.clientLabels}${key}`, value])),
  };
  return Object.keys(matchLabels).length === 0 ? ANYTHING : { matchLabels };
}

function serviceLabels(service: PolicyOptions['service']): Record<string, string> {
  return { [ATTRIBUTE.exportName]: service.name, [ATTRIBUTE.exportNamespace]: service.namespace };
}

function withPeers(matchLabels: LabelSelector['matchLabels'], peers: readonly string[]): LabelSelector {
  // Sorted, so that the same peers in another order are the same policy.
  const values = [...new Set(peers)].sort();
  return { ...(matchLabels === undefined ? {} : { matchLabels }), matchExpressions: [{ key: ATTRIBUTE.peerName, operator: 'In', values }] };
}

function policy(options: PolicyOptions, from: LabelSelector, to: LabelSelector): AccessPolicyResource | PrivilegedAccessPolicyResource {
  const { access, name, service } = options;
  const spec: AccessPolicySpec = { action: 'allow', from: [{ workloadSelector: from }], to: [{ workloadSelector: to }] };
  if (access.privileged) return { apiVersion: CLUSTERLINK_API_VERSION, kind: 'PrivilegedAccessPolicy', metadata: { name }, spec };
  return { apiVersion: CLUSTERLINK_API_VERSION, kind: 'AccessPolicy', metadata: { name, namespace: service.namespace }, spec };
}
