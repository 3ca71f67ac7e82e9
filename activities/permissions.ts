// What the activities do in a peer's cluster, as Kubernetes names it: the preflight asks for exactly this. A new kind of request in
// an activity belongs into this table too.
import type { KubeObject } from '../src/kubernetes/kube-object';
import type { Permission } from '../src/kubernetes/access';
import { OPERATOR_NAMESPACE } from '../src/clusterlink/resources';
import type { PolicyRule } from '../src/clusterlink/manifest';
import { designedObjects, NO_PEMS, type GatewayDesign } from './gateway-objects';

type Row = readonly [group: string, resources: readonly string[], verbs: readonly string[]];

const RBAC = 'rbac.authorization.k8s.io';
const CLUSTERLINK = 'clusterlink.net';
/** Made, compared, claimed, put back, removed. */
const KEEP = ['get', 'list', 'create', 'update', 'patch', 'delete'] as const;

/** In the gateway's namespace, and in the operator's where there is one. */
const IN_NAMESPACE: readonly Row[] = [
  ['', ['secrets', 'configmaps', 'serviceaccounts'], KEEP],
  ['', ['services'], [...KEEP, 'watch']],
  ['', ['pods'], ['list', 'watch']],
  ['apps', ['deployments'], [...KEEP, 'watch']],
  [RBAC, ['roles', 'rolebindings'], KEEP],
  ['coordination.k8s.io', ['leases'], ['get', 'delete']],
  // Only to see whether others use the namespace.
  ['', ['persistentvolumeclaims'], ['list']],
  ['apps', ['statefulsets', 'daemonsets'], ['list']],
  ['batch', ['cronjobs'], ['list']],
  ['networking.k8s.io', ['ingresses'], ['list']],
];

/** Everywhere: services are connected in any namespace, and inventories look into all of them. */
const EVERYWHERE: readonly Row[] = [
  ['', ['namespaces'], [...KEEP, 'watch']],
  ['', ['configmaps', 'secrets', 'serviceaccounts'], ['list']],
  ['', ['services'], ['get', 'list', 'watch', 'delete']],
  ['', ['pods'], ['list', 'watch']],
  ['apps', ['deployments'], ['list']],
  ['batch', ['jobs'], ['list', 'create', 'delete']],
  ['discovery.k8s.io', ['endpointslices'], ['list', 'watch', 'delete']],
  [RBAC, ['clusterroles', 'clusterrolebindings'], KEEP],
  [RBAC, ['roles', 'rolebindings'], ['list']],
  ['apiextensions.k8s.io', ['customresourcedefinitions'], ['get', 'list', 'watch', 'create', 'delete']],
  [CLUSTERLINK, ['imports', 'exports', 'accesspolicies', 'privilegedaccesspolicies', 'peers', 'instances'], [...KEEP, 'watch']],
];

/**
 * All permissions that the activities need for a gateway of this design. Besides their own these are what the gateway's roles hold:
 * nobody may grant what they do not have.
 */
export function neededPermissions({ peer, options }: Pick<GatewayDesign, 'peer' | 'options'>): readonly Permission[] {
  const { first } = designedObjects('', { peer, options, waitBeforeStop: false }, NO_PEMS);
  const namespaces = options.mode === 'operator' ? [peer.namespace, OPERATOR_NAMESPACE] : [peer.namespace];
  const nodes: readonly Row[] = peer.ingress.type === 'NodePort' ? [['', ['nodes'], ['list']]] : [];
  const needed = [
    ...namespaces.flatMap((namespace) => permissionsOf(IN_NAMESPACE, namespace)),
    ...permissionsOf([...EVERYWHERE, ...nodes], undefined),
    ...first.flatMap((object) => permissionsOf(rulesOf(object), object.metadata.namespace)),
  ];
  return [...new Map(needed.map((permission) => [describePermission(permission), permission])).values()];
}

/** A permission in words: `create secrets in namespace clusterlink-system`. */
export function describePermission({ group, resource, verb, namespace }: Permission): string {
  const what = group === '' ? resource : `${resource}.${group}`;
  return `${verb} ${what} ${namespace === undefined ? 'everywhere' : `in namespace ${namespace}`}`;
}

function permissionsOf(rows: readonly Row[], namespace: string | undefined): Permission[] {
  return rows.flatMap(([group, resources, verbs]) =>
    resources.flatMap((resource) => verbs.map((verb) => ({ group, resource, verb, ...(namespace === undefined ? {} : { namespace }) }))),
  );
}

function rulesOf(object: KubeObject): readonly Row[] {
  if (object.kind !== 'Role' && object.kind !== 'ClusterRole') return [];
  const { rules } = object as KubeObject & { readonly rules: readonly PolicyRule[] };
  return rules.flatMap(({ apiGroups, resources, verbs }) => apiGroups.map((group): Row => [group, resources, verbs]));
}
