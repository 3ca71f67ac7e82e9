// What a preflight asks of a cluster: which permissions are missing, which cluster it is, and its version.
import { FabricError, isFabricError } from '../errors/fabric-error';
import type { Cluster } from './cluster';
import type { KubeObject } from './kube-object';
import { garbledError } from './kubernetes-errors';

/** How many access reviews are asked at a time. */
const PARALLEL_REVIEWS = 8;

/** One thing that a workflow's activities do in a cluster. */
export interface Permission {
  /** API group; `''` is the core group. */
  readonly group: string;
  /** Plural resource name, with its subresource if any: `imports`, `imports/status`. */
  readonly resource: string;
  readonly verb: string;
  /** Absent: in all namespaces, or a cluster-wide resource. */
  readonly namespace?: string | undefined;
  /** Absent: objects of any name. Lists and watches of one name (`metadata.name=` in their field selector) need it for that name only. */
  readonly name?: string | undefined;
}

/** Whether any of these permissions includes another one. */
export function isIncluded({ group, resource, verb, namespace, name }: Permission, held: readonly Permission[]): boolean {
  return held.some(
    (one) =>
      one.group === group &&
      one.resource === resource &&
      one.verb === verb &&
      (one.namespace === undefined || one.namespace === namespace) &&
      (one.name === undefined || one.name === name),
  );
}

interface AccessReview extends KubeObject {
  readonly status?: { readonly allowed: boolean };
}

/** Which of the permissions the kubeconfig's user lacks, in the order given, by SelfSubjectAccessReview. */
export async function findMissingPermissions(
  cluster: Cluster,
  permissions: readonly Permission[],
  signal?: AbortSignal,
): Promise<Permission[]> {
  const allowed = new Array<boolean>(permissions.length).fill(false);
  const queue = permissions.entries();
  const review = async (): Promise<void> => {
    for (const [index, permission] of queue) allowed[index] = await isAllowed(cluster, permission, signal);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL_REVIEWS, permissions.length) }, review));
  return permissions.filter((_permission, index) => allowed[index] !== true);
}

async function isAllowed(cluster: Cluster, permission: Permission, signal: AbortSignal | undefined): Promise<boolean> {
  const { group, verb, namespace, name } = permission;
  const [resource, subresource] = permission.resource.split('/');
  const { body } = await cluster.request<AccessReview>({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { group, resource, subresource, verb, namespace, name } },
    },
    about: { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview' },
    signal,
  });
  return body.status?.allowed === true;
}

interface UserReview extends KubeObject {
  readonly status?: { readonly userInfo?: { readonly username?: string } };
}

/** What the cluster calls the kubeconfig's user; `undefined` where it does not tell (before Kubernetes 1.28). */
export async function currentUser(cluster: Cluster, signal?: AbortSignal): Promise<string | undefined> {
  const about = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  try {
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const { body } = await cluster.request<UserReview>({ method: 'POST', path, body: about, about, signal });
    const username: unknown = body.status?.userInfo?.username;
    return typeof username === 'string' ? username : undefined;
  } catch (error) {
    if (isFabricError(error, 'not_found') || isFabricError(error, 'forbidden')) return undefined;
    throw error;
  }
}

/** What tells clusters apart, whatever their contexts are called: the uid of namespace `kube-system`. */
export async function clusterUid(cluster: Cluster, signal?: AbortSignal): Promise<string> {
  const namespace = await cluster.get({ apiVersion: 'v1', kind: 'Namespace', name: 'kube-system' }, signal);
  const uid = namespace?.metadata.uid;
  if (uid === undefined)
    throw new FabricError({
      code: 'not_found',
      message: `${cluster.toString()} has no namespace kube-system.`,
      hint: 'Is this really a Kubernetes cluster?',
    });
  return uid;
}

export interface ServerVersion {
  readonly major: string;
  readonly minor: string;
  /** As in `v1.33.1`. */
  readonly gitVersion: string;
}

/** The version of the API server. */
export async function serverVersion(cluster: Cluster, signal?: AbortSignal): Promise<ServerVersion> {
  const about = { apiVersion: 'v1', kind: 'Namespace' };
  const { body } = await cluster.request<ServerVersion>({ method: 'GET', path: '/version', about, signal });
  const { major, minor, gitVersion } = body;
  if ([major, minor, gitVersion].some((part) => typeof (part as unknown) !== 'string')) throw garbledError(about, cluster.server);
  return { major, minor, gitVersion };
}
