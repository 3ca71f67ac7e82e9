// Which resources the server has: the built-in ones, as a table, and those that definitions add.

import type { CustomSchema } from './crd-schema';

/** How a name of this resource must look. */
export type NameRule = 'subdomain' | 'label' | 'service' | 'path-segment';

/** One resource in one version, with the traits in which kube-apiserver's resources differ. */
export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly nameRule: NameRule;
  /** Has a status that only `/status` changes. */
  readonly status: boolean;
  /** Counts changes of its spec in `metadata.generation`. */
  readonly generation: boolean;
  /** A PUT to a name that does not exist creates it. */
  readonly createOnUpdate: boolean;
  /** A PUT without resourceVersion is taken. */
  readonly unconditionalUpdate: boolean;
  /** A completed DELETE answers with the object instead of a Status. */
  readonly returnsDeleted: boolean;
  /** What a DELETE without propagationPolicy does with dependents. */
  readonly defaultPropagation: 'Background' | 'Orphan';
  /** Only POST: reviews, which are answered and not stored. */
  readonly reviewOnly: boolean;
  /** Set for resources that a definition added. */
  readonly schema?: CustomSchema;
}

/** Fills in the traits that most resources share. */
export function resourceType(fields: Pick<ResourceType, 'group' | 'version' | 'kind' | 'plural'> & Partial<ResourceType>): ResourceType {
  return {
    singular: fields.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: true,
    nameRule: 'subdomain',
    status: false,
    generation: false,
    createOnUpdate: false,
    unconditionalUpdate: true,
    returnsDeleted: false,
    defaultPropagation: 'Background',
    reviewOnly: false,
    ...fields,
  };
}

const RBAC = { group: 'rbac.authorization.k8s.io', version: 'v1', nameRule: 'path-segment', createOnUpdate: true } as const;
const APPS = { group: 'apps', version: 'v1', status: true, generation: true, categories: ['all'] } as const;
const CORE = { group: '', version: 'v1' } as const;
const REVIEW = { version: 'v1', namespaced: false, reviewOnly: true } as const;
const CLUSTER_SCOPED = { namespaced: false } as const;

/** Built-in resources (kube-apiserver 1.32), as far as they are simulated. */
export const BUILT_IN_RESOURCES: readonly ResourceType[] = [
  {
    ...CORE,
    kind: 'Namespace',
    plural: 'namespaces',
    shortNames: ['ns'],
    ...CLUSTER_SCOPED,
    nameRule: 'label',
    status: true,
    returnsDeleted: true,
  },
  { ...CORE, kind: 'Node', plural: 'nodes', shortNames: ['no'], ...CLUSTER_SCOPED, status: true },
  { ...CORE, kind: 'Pod', plural: 'pods', shortNames: ['po'], status: true, returnsDeleted: true, categories: ['all'] },
  {
    ...CORE,
    kind: 'Service',
    plural: 'services',
    shortNames: ['svc'],
    nameRule: 'service',
    status: true,
    createOnUpdate: true,
    returnsDeleted: true,
    categories: ['all'],
  },
  { ...CORE, kind: 'Endpoints', plural: 'endpoints', shortNames: ['ep'], createOnUpdate: true },
  { ...CORE, kind: 'Secret', plural: 'secrets' },
  { ...CORE, kind: 'ConfigMap', plural: 'configmaps', shortNames: ['cm'] },
  { ...CORE, kind: 'PersistentVolumeClaim', plural: 'persistentvolumeclaims', shortNames: ['pvc'], status: true, returnsDeleted: true },
  { ...CORE, kind: 'ServiceAccount', plural: 'serviceaccounts', shortNames: ['sa'], returnsDeleted: true },
  { ...CORE, kind: 'Event', plural: 'events', shortNames: ['ev'], createOnUpdate: true },
  { ...APPS, kind: 'Deployment', plural: 'deployments', shortNames: ['deploy'] },
  { ...APPS, kind: 'ReplicaSet', plural: 'replicasets', shortNames: ['rs'] },
  { ...APPS, kind: 'StatefulSet', plural: 'statefulsets', shortNames: ['sts'] },
  { ...APPS, kind: 'DaemonSet', plural: 'daemonsets', shortNames: ['ds'] },
  {
    group: 'batch',
    version: 'v1',
    kind: 'Job',
    plural: 'jobs',
    status: true,
    generation: true,
    categories: ['all'],
    defaultPropagation: 'Orphan',
  },
  {
    group: 'batch',
    version: 'v1',
    kind: 'CronJob',
    plural: 'cronjobs',
    shortNames: ['cj'],
    status: true,
    generation: true,
    categories: ['all'],
  },
  { group: 'networking.k8s.io', version: 'v1', kind: 'Ingress', plural: 'ingresses', shortNames: ['ing'], status: true, generation: true },
  { group: 'coordination.k8s.io', version: 'v1', kind: 'Lease', plural: 'leases', createOnUpdate: true, unconditionalUpdate: false },
  { group: 'discovery.k8s.io', version: 'v1', kind: 'EndpointSlice', plural: 'endpointslices', generation: true },
  { ...RBAC, kind: 'ClusterRole', plural: 'clusterroles', ...CLUSTER_SCOPED },
  { ...RBAC, kind: 'ClusterRoleBinding', plural: 'clusterrolebindings', ...CLUSTER_SCOPED },
  { ...RBAC, kind: 'Role', plural: 'roles' },
  { ...RBAC, kind: 'RoleBinding', plural: 'rolebindings' },
  {
    group: 'apiextensions.k8s.io',
    version: 'v1',
    kind: 'CustomResourceDefinition',
    plural: 'customresourcedefinitions',
    shortNames: ['crd', 'crds'],
    ...CLUSTER_SCOPED,
    status: true,
    generation: true,
    unconditionalUpdate: false,
    categories: ['api-extensions'],
  },
  { group: 'authorization.k8s.io', ...REVIEW, kind: 'SelfSubjectAccessReview', plural: 'selfsubjectaccessreviews' },
  { group: 'authentication.k8s.io', ...REVIEW, kind: 'SelfSubjectReview', plural: 'selfsubjectreviews' },
].map((fields) => resourceType(fields as Parameters<typeof resourceType>[0]));

/** Under which a resource's objects are stored: all its versions share them. */
export function storageKey(type: { readonly group: string; readonly plural: string }): string {
  return `${type.group}/${type.plural}`;
}

/** `v1` or `apps/v1`. */
export function apiVersionOf(type: { readonly group: string; readonly version: string }): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}

/** What the server serves at this moment. */
export class ResourceCatalog {
  private custom = new Map<string, readonly ResourceType[]>();

  /** Serves, or with an empty list no longer serves, the versions that a definition declares. */
  serve(definition: string, versions: readonly ResourceType[]): void {
    if (versions.length === 0) this.custom.delete(definition);
    else this.custom.set(definition, versions);
  }

  all(): ResourceType[] {
    return [...BUILT_IN_RESOURCES, ...[...this.custom.values()].flat()];
  }

  find(group: string, version: string, plural: string): ResourceType | undefined {
    return this.all().find((type) => type.group === group && type.version === version && type.plural === plural);
  }

  /** The resource's type in any version: for controllers, which do not care. */
  byKey(key: string): ResourceType | undefined {
    return this.all().find((type) => storageKey(type) === key);
  }
}
