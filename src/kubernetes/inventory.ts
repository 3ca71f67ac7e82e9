// Everything of a fabric in a cluster, as digests: taken before and after a run, two inventories prove what it left behind.
import { CLAIM_PREFIX, FABRIC_LABEL, fabricSelector, MANAGED_BY_LABEL, ORIGIN_LABEL, readClaims } from './claim-marks';
import { isFabricError } from '../errors/fabric-error';
import { standingChange } from './change-note';
import type { Cluster, ListQuery } from './cluster';
import { digestOf, sameJson } from './digest';
import type { KubeObject } from './kube-object';
import { describeRef, refOf } from './kube-object';
import type { InventoryEntry } from '../model/claimant';

/** Objects as `Kind namespace/name`; all three empty when nothing differs. */
export interface InventoryDifference {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

type Kind = readonly [apiVersion: string, kind: string];

/** Every kind that this project creates: what stands in a gateway's namespace only, ... */
const GATEWAY_KINDS: readonly Kind[] = [
  ['v1', 'ConfigMap'],
  ['v1', 'Secret'],
];
/** ... there and in its operator's, ... */
export const OPERATOR_KINDS: readonly Kind[] = [
  ['v1', 'ServiceAccount'],
  ['apps/v1', 'Deployment'],
  ['rbac.authorization.k8s.io/v1', 'Role'],
  ['rbac.authorization.k8s.io/v1', 'RoleBinding'],
];
/** ... and what has none, or may stand in any. */
const WIDE_KINDS: readonly Kind[] = [
  ['v1', 'Namespace'],
  ['v1', 'Service'],
  ['batch/v1', 'Job'],
  ['rbac.authorization.k8s.io/v1', 'ClusterRole'],
  ['rbac.authorization.k8s.io/v1', 'ClusterRoleBinding'],
  ['apiextensions.k8s.io/v1', 'CustomResourceDefinition'],
  ['clusterlink.net/v1alpha1', 'AccessPolicy'],
  ['clusterlink.net/v1alpha1', 'Export'],
  ['clusterlink.net/v1alpha1', 'Import'],
  ['clusterlink.net/v1alpha1', 'Instance'],
  ['clusterlink.net/v1alpha1', 'Peer'],
  ['clusterlink.net/v1alpha1', 'PrivilegedAccessPolicy'],
];

/** Parts of a spec that the cluster chooses, so that they differ when the same object is made again. */
const VOLATILE: Readonly<Record<string, readonly string[]>> = {
  Service: ['clusterIP', 'clusterIPs', 'healthCheckNodePort'],
  Import: ['targetPort'],
};

/** Where a gateway stands, and its operator if there is one. */
export interface GatewayNamespaces {
  readonly gateway: string;
  readonly operator?: string;
}

interface InventoryOptions {
  readonly fabric: string;
  /** Where Secrets, Deployments and the like are looked for: a worker need not read everybody's. Default: everywhere. */
  readonly namespaces?: GatewayNamespaces;
  readonly signal?: AbortSignal | undefined;
}

/** All objects that carry the fabric's labels, sorted; kinds that the cluster does not know count as empty. */
export async function takeInventory(cluster: Cluster, options: InventoryOptions): Promise<InventoryEntry[]> {
  return (await listManaged(cluster, options)).map(entryOf).sort((a, b) => (a.object < b.object ? -1 : 1));
}

/** The objects themselves, kind by kind. */
export async function listManaged(cluster: Cluster, options: InventoryOptions): Promise<KubeObject[]> {
  const { fabric, namespaces, signal } = options;
  const operators = [namespaces?.gateway, namespaces?.operator].filter((name, index) => index === 0 || name !== undefined);
  const queries: ListQuery[] = [
    ...WIDE_KINDS.map(([apiVersion, kind]) => ({ apiVersion, kind })),
    ...GATEWAY_KINDS.map(([apiVersion, kind]) => ({ apiVersion, kind, namespace: namespaces?.gateway })),
    ...operators.flatMap((namespace) => OPERATOR_KINDS.map(([apiVersion, kind]) => ({ apiVersion, kind, namespace }))),
  ];
  const lists = await Promise.all(queries.map((query) => cluster.listIfKnown({ ...query, labelSelector: fabricSelector(fabric) }, signal)));
  return lists.flat();
}

/** What differs between two inventories of the same cluster; an object also counts as changed when its claims do. */
export function diffInventory(before: readonly InventoryEntry[], after: readonly InventoryEntry[]): InventoryDifference {
  const earlier = new Map(before.map((entry) => [entry.object, entry]));
  const later = new Map(after.map((entry) => [entry.object, entry]));
  return {
    added: after.filter(({ object }) => !earlier.has(object)).map(({ object }) => object),
    removed: before.filter(({ object }) => !later.has(object)).map(({ object }) => object),
    changed: after
      .filter(({ object, digest, claims }) => {
        const known = earlier.get(object);
        return known !== undefined && !(known.digest === digest && sameJson(known.claims, claims));
      })
      .map(({ object }) => object),
  };
}

/** Its claims with their needs; with all that is written where somebody mangled one, for an inventory concerns everybody's objects. */
function claimsIn(object: KubeObject): readonly { readonly id: string; readonly need: unknown }[] {
  try {
    return readClaims<unknown>(object);
  } catch (error) {
    if (!isFabricError(error, 'conflict')) throw error;
    const { annotations = {} } = object.metadata;
    const keys = Object.keys(annotations).filter((key) => key.startsWith(CLAIM_PREFIX));
    return keys.sort().map((key) => ({ id: key.slice(CLAIM_PREFIX.length), need: annotations[key] }));
  }
}

function entryOf(object: KubeObject): InventoryEntry {
  const { labels = {} } = object.metadata;
  const contents: Record<string, unknown> = { ...object, metadata: undefined, status: undefined };
  // A ServiceAccount's token Secrets are listed on it by a controller.
  if (object.kind === 'ServiceAccount') delete contents['secrets'];
  const volatile = VOLATILE[object.kind] ?? [];
  if (typeof contents['spec'] === 'object') {
    contents['spec'] = Object.fromEntries(Object.entries({ ...contents['spec'] }).filter(([field]) => !volatile.includes(field)));
  }
  const claims = claimsIn(object);
  const change = standingChange(object);
  const marks = [MANAGED_BY_LABEL, FABRIC_LABEL, ORIGIN_LABEL].map((label) => labels[label]);
  return {
    object: describeRef(refOf(object)),
    // Of its contents, our labels and its claims' needs; not of its status, nor of what controllers fill in.
    digest: digestOf({ contents, marks, needs: claims.map(({ id, need }) => ({ id, need })) }),
    claims: claims.map(({ id }) => id),
    ...(change === undefined ? {} : { changedBy: change.id }),
  };
}
