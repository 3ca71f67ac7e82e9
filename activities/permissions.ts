// What the activities do in a peer's cluster, as Kubernetes names it: the preflight asks for exactly this, and deploy/rbac.yaml grants
// it. A new kind of request in an activity belongs into this table too.
import { DEFINITIONS } from '../src/clusterlink/definitions';
import { refOf, type KubeObject } from '../src/kubernetes/kube-object';
import { resourceOf } from '../src/kubernetes/resource-path';
import type { Permission } from '../src/kubernetes/access';
import { CONTROLPLANE } from '../src/clusterlink/manifest';
import { OPERATOR_NAMESPACE } from '../src/clusterlink/resources';
import type { PolicyRule } from '../src/clusterlink/manifest';
import { ANCHOR, type GatewayOptions } from '../src/model/gateway';
import type { Peer } from '../src/model/peer';
import { designedObjects, NO_PEMS, operatorMade, type GatewayDesign } from './gateway-objects';

type Row = readonly [group: string, resources: readonly string[], verbs: readonly string[], name?: string];

/** Rights in the gateway's namespace, and in all of them. */
interface Rights {
  readonly gateway: readonly Row[];
  readonly everywhere: readonly Row[];
}

const RBAC = 'rbac.authorization.k8s.io';
const CLUSTERLINK = 'clusterlink.net';

/** What connects services and tells how things stand, once gateways are there. */
const DAY_TWO: Rights = {
  gateway: [
    // The echo server by which links are measured.
    ['', ['services'], ['create']],
    ['apps', ['deployments'], ['get', 'watch', 'create', 'delete']],
    // The name in the gateway's certificate, and whether its control plane leads.
    ['', ['secrets'], ['get']],
    ['coordination.k8s.io', ['leases'], ['get']],
    // Inventories.
    ['', ['configmaps', 'secrets', 'serviceaccounts'], ['list']],
    ['apps', ['deployments'], ['list']],
    [RBAC, ['roles', 'rolebindings'], ['list']],
  ],
  // Services are connected in any namespace.
  everywhere: [
    ['', ['namespaces'], ['get', 'list']],
    ['', ['nodes'], ['list']],
    ['', ['services'], ['get', 'list', 'watch', 'delete']],
    ['', ['pods'], ['list', 'watch']],
    ['batch', ['jobs'], ['list', 'create', 'delete']],
    // Why a probe's Job gets no pod.
    ['', ['events'], ['list']],
    ['discovery.k8s.io', ['endpointslices'], ['list', 'watch', 'delete']],
    [RBAC, ['clusterroles', 'clusterrolebindings'], ['list']],
    ['apiextensions.k8s.io', ['customresourcedefinitions'], ['list']],
    [CLUSTERLINK, ['imports', 'exports'], ['get', 'list', 'watch', 'create', 'update', 'delete']],
    [CLUSTERLINK, ['accesspolicies', 'privilegedaccesspolicies'], ['get', 'list', 'create', 'update', 'delete']],
    [CLUSTERLINK, ['peers'], ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete']],
    [CLUSTERLINK, ['instances'], ['list']],
  ],
};

/** What installs, changes, puts back and removes a gateway, besides. */
const KEEP: readonly string[] = ['get', 'list', 'create', 'update', 'patch', 'delete'];
const BOOTSTRAP: Rights = {
  gateway: [
    ['', ['secrets', 'configmaps', 'serviceaccounts', 'services'], KEEP],
    ['apps', ['deployments'], KEEP],
    [RBAC, ['roles', 'rolebindings'], KEEP],
    ['coordination.k8s.io', ['leases'], ['delete']],
  ],
  everywhere: [
    // Whether another ClusterLink is on the cluster, and another gateway of ours.
    ['apps', ['deployments'], ['list'], CONTROLPLANE],
    ['', ['configmaps'], ['list'], ANCHOR],
    [RBAC, ['clusterroles', 'clusterrolebindings'], ['list', 'create']],
    ['apiextensions.k8s.io', ['customresourcedefinitions'], ['create']],
    ...DEFINITIONS.map(({ metadata }): Row => [
      'apiextensions.k8s.io',
      ['customresourcedefinitions'],
      ['get', 'watch', 'delete'],
      metadata.name,
    ]),
  ],
};

/** What makes and removes a gateway's namespace; nobody needs it where an administrator has made the namespace. */
const NAMESPACE: Rights = {
  gateway: [
    // Only to see whether others use it: every kind that Kubernetes has in namespaces. A namespace with kinds that may not be seen stays.
    ['', ['configmaps', 'secrets', 'serviceaccounts', 'persistentvolumeclaims'], ['list']],
    ['', ['limitranges', 'podtemplates', 'replicationcontrollers', 'resourcequotas'], ['list']],
    ['apps', ['controllerrevisions', 'daemonsets', 'deployments', 'replicasets', 'statefulsets'], ['list']],
    ['autoscaling', ['horizontalpodautoscalers'], ['list']],
    ['batch', ['cronjobs'], ['list']],
    ['coordination.k8s.io', ['leases'], ['list']],
    ['networking.k8s.io', ['ingresses', 'networkpolicies'], ['list']],
    ['policy', ['poddisruptionbudgets'], ['list']],
    [RBAC, ['roles', 'rolebindings'], ['list']],
    ['resource.k8s.io', ['resourceclaims', 'resourceclaimtemplates'], ['list']],
    ['storage.k8s.io', ['csistoragecapacities'], ['list']],
  ],
  everywhere: [['', ['namespaces'], ['watch', 'create', 'update', 'patch', 'delete']]],
};

/** In the operator's namespace, in operator mode. */
const OPERATOR: readonly Row[] = [
  ['', ['serviceaccounts'], KEEP],
  ['apps', ['deployments'], KEEP],
  [RBAC, ['roles', 'rolebindings'], KEEP],
  [CLUSTERLINK, ['instances'], [...KEEP, 'watch']],
];

/** Which of the rights: those of day two, those of a bootstrap besides, those that make namespaces, and those of the gateway's own roles. */
export type PermissionSet = 'day-two' | 'bootstrap' | 'namespace' | 'granted-on';

/** The namespaces that a gateway stands in: its own, and the operator's where there is one. */
export function namespacesOf({ namespace }: Pick<Peer, 'namespace'>, { mode }: Pick<GatewayOptions, 'mode'>): readonly string[] {
  return mode === 'operator' ? [namespace, OPERATOR_NAMESPACE] : [namespace];
}

/**
 * The permissions of a set for a gateway of this design. `granted-on` is what the gateway's roles hold and nobody else uses: nobody may
 * grant what they do not have.
 */
export function permissionsOf(set: PermissionSet, { peer, options }: Pick<GatewayDesign, 'peer' | 'options'>): readonly Permission[] {
  const namespaces = namespacesOf(peer, options);
  switch (set) {
    case 'day-two':
      return flatten(DAY_TWO, [peer.namespace]).filter(({ resource }) => resource !== 'nodes' || peer.ingress.type === 'NodePort');
    case 'bootstrap':
      return unique([
        ...flatten(BOOTSTRAP, [peer.namespace]),
        ...rowsOf(clusterWideOf({ peer, options }), undefined),
        ...(options.mode === 'operator' ? rowsOf(OPERATOR, OPERATOR_NAMESPACE) : []),
      ]);
    case 'namespace':
      return flatten(NAMESPACE, namespaces);
    case 'granted-on': {
      const { first } = designedObjects('', { peer, options, waitBeforeStop: false }, NO_PEMS);
      return unique(first.flatMap((object) => rowsOf(rulesOf(object), object.metadata.namespace)));
    }
  }
}

/** All permissions that a bootstrap needs, and all that comes after it. @param namespaces whether it makes the gateway's namespaces */
export function neededPermissions(design: Pick<GatewayDesign, 'peer' | 'options'>, namespaces = true): readonly Permission[] {
  const sets: readonly PermissionSet[] = ['bootstrap', 'day-two', 'granted-on', ...(namespaces ? (['namespace'] as const) : [])];
  return unique(sets.flatMap((set) => permissionsOf(set, design)));
}

/** A permission in words: `create secrets in namespace clusterlink-system`. */
export function describePermission({ group, resource, verb, namespace, name }: Permission): string {
  const what = `${group === '' ? resource : `${resource}.${group}`}${name === undefined ? '' : ` named ${name}`}`;
  return `${verb} ${what} ${namespace === undefined ? 'everywhere' : `in namespace ${namespace}`}`;
}

/** What is done with the cluster-wide objects of the gateway, by name. */
function clusterWideOf({ peer, options }: Pick<GatewayDesign, 'peer' | 'options'>): readonly Row[] {
  const { first } = designedObjects('', { peer, options, waitBeforeStop: false }, NO_PEMS);
  const made = options.mode === 'operator' ? operatorMade(peer.namespace) : [];
  const names = [...first.map((object) => refOf(object)), ...made].filter(
    ({ namespace, kind }) => namespace === undefined && kind.startsWith('ClusterRole'),
  );
  return names.map((ref): Row => [RBAC, [resourceOf(ref).resource], ['get', 'update', 'patch', 'delete'], ref.name]);
}

function flatten({ gateway, everywhere }: Rights, namespaces: readonly string[]): Permission[] {
  return [...namespaces.flatMap((namespace) => rowsOf(gateway, namespace)), ...rowsOf(everywhere, undefined)];
}

function rowsOf(rows: readonly Row[], namespace: string | undefined): Permission[] {
  return rows.flatMap(([group, resources, verbs, name]) =>
    resources.flatMap((resource) =>
      verbs.map((verb) => ({
        ...{ group, resource, verb },
        ...(namespace === undefined ? {} : { namespace }),
        ...(name === undefined ? {} : { name }),
      })),
    ),
  );
}

function unique(permissions: readonly Permission[]): Permission[] {
  return [...new Map(permissions.map((permission) => [describePermission(permission), permission])).values()];
}

function rulesOf(object: KubeObject): readonly Row[] {
  if (object.kind !== 'Role' && object.kind !== 'ClusterRole') return [];
  const { rules } = object as KubeObject & { readonly rules: readonly PolicyRule[] };
  return rules.flatMap(({ apiGroups, resources, verbs }) => apiGroups.map((group): Row => [group, resources, verbs]));
}
