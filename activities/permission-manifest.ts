// Permissions as a manifest that grants them: deploy/rbac.yaml, and what `skyfabric check` finds missing.
import { isIncluded, type Permission } from '../src/kubernetes/access';
import type { KubeObject } from '../src/kubernetes/kube-object';

const API_GROUP = 'rbac.authorization.k8s.io';
const API_VERSION = `${API_GROUP}/v1`;
const SERVICE_ACCOUNT = 'system:serviceaccount:';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** Who is granted something, as a role binding names them. */
export type Subject =
  | { readonly kind: 'ServiceAccount'; readonly name: string; readonly namespace: string }
  | { readonly kind: 'User'; readonly apiGroup: typeof API_GROUP; readonly name: string };

/** A role or a role binding. */
export interface AccessObject extends KubeObject {
  readonly rules?: readonly Rule[];
  readonly roleRef?: { readonly apiGroup: string; readonly kind: string; readonly name: string };
  readonly subjects?: readonly Subject[];
}

/** The subject that an API server calls by this user name. */
export function subjectOf(username: string): Subject {
  const [namespace, name, ...rest] = username.startsWith(SERVICE_ACCOUNT) ? username.slice(SERVICE_ACCOUNT.length).split(':') : [];
  return !namespace || !name || rest.length > 0
    ? { kind: 'User', apiGroup: API_GROUP, name: username }
    : { kind: 'ServiceAccount', name, namespace };
}

/** A namespace that an administrator makes. */
export function namespaceObject(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

/**
 * A ClusterRole of this name for what is everywhere, a Role for each namespace, and their bindings. What a role everywhere grants is not
 * granted once more in a namespace.
 */
export function grant(name: string, permissions: readonly Permission[], subject: Subject): readonly AccessObject[] {
  const everywhere = permissions.filter(({ namespace }) => namespace === undefined);
  const local = permissions.filter((one) => one.namespace !== undefined && !isIncluded(one, everywhere));
  const namespaces = [...new Set(local.map(({ namespace }) => namespace))].sort();
  return [
    ...roleAndBinding(name, undefined, everywhere, subject),
    ...namespaces.flatMap((namespace) =>
      roleAndBinding(
        name,
        namespace,
        local.filter((one) => one.namespace === namespace),
        subject,
      ),
    ),
  ];
}

function roleAndBinding(
  name: string,
  namespace: string | undefined,
  permissions: readonly Permission[],
  subject: Subject,
): readonly AccessObject[] {
  if (permissions.length === 0) return [];
  const [role, binding] = namespace === undefined ? ['ClusterRole', 'ClusterRoleBinding'] : ['Role', 'RoleBinding'];
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  return [
    { apiVersion: API_VERSION, kind: role, metadata, rules: rulesOf(permissions) },
    { apiVersion: API_VERSION, kind: binding, metadata, roleRef: { apiGroup: API_GROUP, kind: role, name }, subjects: [subject] },
  ];
}

/** One rule for all resources of a group with the same verbs, and one for all names of a resource. */
function rulesOf(permissions: readonly Permission[]): readonly Rule[] {
  const verbs = new Map<string, { group: string; resource: string; name: string | undefined; verbs: string[] }>();
  for (const { group, resource, verb, name } of permissions) {
    const key = [group, resource, name].join('/');
    const known = verbs.get(key) ?? { group, resource, name, verbs: [] };
    verbs.set(key, known);
    if (!known.verbs.includes(verb)) known.verbs.push(verb);
  }
  const rules = new Map<string, Rule & { readonly resources: string[]; readonly resourceNames?: string[] }>();
  for (const { group, resource, name, verbs: may } of verbs.values()) {
    const sorted = [...may].sort();
    const key = [group, ...(name === undefined ? [] : [resource, 'by name']), ...sorted].join('/');
    const known = rules.get(key) ?? {
      apiGroups: [group],
      resources: [],
      ...(name === undefined ? {} : { resourceNames: [] }),
      verbs: sorted,
    };
    rules.set(key, known);
    if (!known.resources.includes(resource)) known.resources.push(resource);
    if (name !== undefined) known.resourceNames?.push(name);
  }
  return [...rules.values()];
}
