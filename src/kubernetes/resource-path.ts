// Where each kind lives in the Kubernetes API. A fixed table of the kinds this project uses instead of discovery:
// discovery would cost requests at every start, and could tell nothing new about kinds whose schema the code knows.
import { FabricError } from '../errors/fabric-error';
import { isPathSegment } from './answer';
import type { ObjectRef } from './kube-object';

interface Resource {
  readonly plural: string;
  readonly namespaced: boolean;
}

const cluster = (plural: string): Resource => ({ plural, namespaced: false });
const namespaced = (plural: string): Resource => ({ plural, namespaced: true });

const RESOURCES: Readonly<Record<string, Readonly<Record<string, Resource>>>> = {
  v1: {
    Namespace: cluster('namespaces'),
    Node: cluster('nodes'),
    ConfigMap: namespaced('configmaps'),
    Endpoints: namespaced('endpoints'),
    Event: namespaced('events'),
    PersistentVolumeClaim: namespaced('persistentvolumeclaims'),
    Pod: namespaced('pods'),
    Secret: namespaced('secrets'),
    Service: namespaced('services'),
    ServiceAccount: namespaced('serviceaccounts'),
  },
  'apps/v1': {
    DaemonSet: namespaced('daemonsets'),
    Deployment: namespaced('deployments'),
    ReplicaSet: namespaced('replicasets'),
    StatefulSet: namespaced('statefulsets'),
  },
  'batch/v1': { CronJob: namespaced('cronjobs'), Job: namespaced('jobs') },
  'networking.k8s.io/v1': { Ingress: namespaced('ingresses') },
  'rbac.authorization.k8s.io/v1': {
    ClusterRole: cluster('clusterroles'),
    ClusterRoleBinding: cluster('clusterrolebindings'),
    Role: namespaced('roles'),
    RoleBinding: namespaced('rolebindings'),
  },
  'apiextensions.k8s.io/v1': { CustomResourceDefinition: cluster('customresourcedefinitions') },
  'authorization.k8s.io/v1': { SelfSubjectAccessReview: cluster('selfsubjectaccessreviews') },
  'coordination.k8s.io/v1': { Lease: namespaced('leases') },
  'discovery.k8s.io/v1': { EndpointSlice: namespaced('endpointslices') },
  'clusterlink.net/v1alpha1': {
    AccessPolicy: namespaced('accesspolicies'),
    Export: namespaced('exports'),
    Import: namespaced('imports'),
    Instance: namespaced('instances'),
    Peer: namespaced('peers'),
    PrivilegedAccessPolicy: cluster('privilegedaccesspolicies'),
  },
};

/** A kind, and optionally the namespace its objects are looked for in. */
export interface KindRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string | undefined;
  /** For a kind that is not in the table, as the cluster's discovery names it; such a kind is in namespaces. */
  readonly plural?: string | undefined;
}

/** The resource's plural name and API group, as permissions and messages give them (`''` is the core group). @throws internal */
export function resourceOf(kind: KindRef): { readonly group: string; readonly resource: string; readonly namespaced: boolean } {
  const resource = RESOURCES[kind.apiVersion]?.[kind.kind] ?? (kind.plural === undefined ? undefined : namespaced(kind.plural));
  if (resource === undefined)
    throw new FabricError({ code: 'internal', message: `Kind ${kind.apiVersion} ${kind.kind} is not in the table of known resources.` });
  const group = kind.apiVersion.includes('/') ? (kind.apiVersion.split('/')[0] ?? '') : '';
  return { group, resource: resource.plural, namespaced: resource.namespaced };
}

/** The path of a collection; without a namespace, that of all namespaces. @throws internal; invalid for a namespace that no object can have */
export function collectionPath(kind: KindRef): string {
  const { resource, namespaced: inNamespace } = resourceOf(kind);
  const root = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`;
  if (!inNamespace || kind.namespace === undefined) return `${root}/${resource}`;
  return `${root}/namespaces/${segment(kind.namespace, 'namespace')}/${resource}`;
}

/** The path of one object. @throws internal; invalid for names that no object can have, and that would make it another path */
export function objectPath(ref: ObjectRef): string {
  if (resourceOf(ref).namespaced && ref.namespace === undefined) {
    throw new FabricError({ code: 'internal', message: `${ref.kind} ${ref.name} needs a namespace.` });
  }
  return `${collectionPath(ref)}/${segment(ref.name, ref.kind)}`;
}

function segment(name: string, what: string): string {
  if (isPathSegment(name)) return encodeURIComponent(name);
  throw new FabricError({ code: 'invalid', message: `${JSON.stringify(name)} cannot be the name of a ${what}.` });
}
