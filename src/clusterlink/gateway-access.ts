// What a control plane may do: across the cluster only what its Imports and Exports need, and in its own namespace the rest.
import type { GatewayOptions } from '../model/gateway';
import { CONTROLPLANE, labelsOf, type GatewayPeer, type PolicyRule, type RoleBindingResource, type RoleResource } from './manifest';
import { CLUSTERLINK_GROUP } from './resources';

const RBAC = 'rbac.authorization.k8s.io/v1';
const READ = ['get', 'list', 'watch'] as const;

/** Needed in every namespace, since Imports and Exports may stand in any. */
export const CLUSTER_RULES: readonly PolicyRule[] = [
  { apiGroups: [''], resources: ['services'], verbs: [...READ, 'create', 'update', 'delete'] },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: [...READ, 'create', 'update', 'delete'] },
  { apiGroups: [''], resources: ['pods'], verbs: READ },
  { apiGroups: [CLUSTERLINK_GROUP], resources: ['exports', 'accesspolicies', 'privilegedaccesspolicies'], verbs: READ },
  { apiGroups: [CLUSTERLINK_GROUP], resources: ['imports'], verbs: [...READ, 'update'] },
  { apiGroups: [CLUSTERLINK_GROUP], resources: ['imports/status', 'exports/status'], verbs: ['update'] },
];

/**
 * Needed in the gateway's namespace only: the control plane watches Secrets and Peers nowhere else, so it gets no other
 * namespace's Secrets, as upstream's role would give it. Source: ClusterLink v0.4.1, cmd/cl-controlplane/app/server.go.
 */
export const NAMESPACE_RULES: readonly PolicyRule[] = [
  { apiGroups: [''], resources: ['secrets'], verbs: [...READ, 'create', 'update'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create', 'update'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update'] },
  { apiGroups: [CLUSTERLINK_GROUP], resources: ['peers'], verbs: READ },
  { apiGroups: [CLUSTERLINK_GROUP], resources: ['peers/status'], verbs: ['update'] },
];

/** The roles of a control plane and their bindings; cluster-wide names hold the namespace, so that gateways do not share them. */
export function controlplaneAccess(peer: GatewayPeer, options: GatewayOptions): readonly (RoleResource | RoleBindingResource)[] {
  const { namespace } = peer;
  const labels = labelsOf(CONTROLPLANE, options);
  const clusterName = `skyfabric:${namespace}:${CONTROLPLANE}`;
  const subjects = [{ kind: 'ServiceAccount', name: CONTROLPLANE, namespace }] as const;
  const own = { name: CONTROLPLANE, namespace, labels };
  return [
    { apiVersion: RBAC, kind: 'ClusterRole', metadata: { name: clusterName, labels }, rules: CLUSTER_RULES },
    {
      apiVersion: RBAC,
      kind: 'ClusterRoleBinding',
      metadata: { name: clusterName, labels },
      roleRef: roleRef('ClusterRole', clusterName),
      subjects,
    },
    { apiVersion: RBAC, kind: 'Role', metadata: own, rules: NAMESPACE_RULES },
    { apiVersion: RBAC, kind: 'RoleBinding', metadata: own, roleRef: roleRef('Role', CONTROLPLANE), subjects },
  ];
}

/** A reference from a binding to its role. */
export function roleRef(kind: 'Role' | 'ClusterRole', name: string): RoleBindingResource['roleRef'] {
  return { apiGroup: 'rbac.authorization.k8s.io', kind, name };
}
