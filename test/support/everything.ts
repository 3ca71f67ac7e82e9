// Every object of a cluster, found by discovery, whoever made it: what a run must not have changed in the end.
import type { Cluster } from '../../src/kubernetes/cluster';
import { digestOf } from '../../src/kubernetes/digest';
import { describeRef, refOf, type KubeObject } from '../../src/kubernetes/kube-object';

/** Objects and the digests of their contents. */
export type Everything = ReadonlyMap<string, string>;

interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

/** Kinds that come and go by themselves, or are named by chance after an object that is listed (a Service's address). */
const FLEETING = ['Event', 'IPAddress', 'Endpoints', 'ComponentStatus', 'PodMetrics', 'NodeMetrics'];
/** Kinds whose contents their controllers write again and again: only that they are there is compared. */
const RESTLESS = ['Lease', 'Node', 'EndpointSlice', 'CSINode'];

/**
 * Lists all objects that the cluster's API shows in its preferred versions, but for pods and sets of pods that others own.
 * @param isCompared whether an object's contents count too, besides that it is there; default: always
 */
export async function takeEverything(cluster: Cluster, isCompared: (object: KubeObject) => boolean = () => true): Promise<Everything> {
  const { groups } = await read<{ groups: readonly { preferredVersion: { groupVersion: string } }[] }>(cluster, '/apis');
  const versions = ['v1', ...groups.map(({ preferredVersion }) => preferredVersion.groupVersion)];
  const found = await Promise.all(versions.map((version) => listVersion(cluster, version)));
  return new Map(
    found
      .flat()
      .filter((object) => !isFleeting(object))
      .map((object) => [`${describeRef(refOf(object))} (${object.apiVersion})`, isCompared(object) ? contentOf(object) : '']),
  );
}

/** What differs, one line each; empty when nothing does. */
export function differences(before: Everything, after: Everything): string[] {
  const added = [...after.keys()].filter((object) => !before.has(object)).map((object) => `added ${object}`);
  const removed = [...before.keys()].filter((object) => !after.has(object)).map((object) => `removed ${object}`);
  const changed = [...after].filter(([object, digest]) => (before.get(object) ?? digest) !== digest).map(([object]) => `changed ${object}`);
  return [...added, ...removed, ...changed];
}

async function listVersion(cluster: Cluster, version: string): Promise<KubeObject[]> {
  const root = version === 'v1' ? '/api/v1' : `/apis/${version}`;
  const { resources } = await read<{ resources: readonly ApiResource[] }>(cluster, root);
  const wanted = resources.filter(({ name, kind, verbs }) => !name.includes('/') && verbs.includes('list') && !FLEETING.includes(kind));
  const lists = await Promise.all(wanted.map(({ name, kind }) => listResource(cluster, `${root}/${name}`, { apiVersion: version, kind })));
  return lists.flat();
}

/** Others make these, and remove them, in their own time. */
function isFleeting({ kind, metadata }: KubeObject): boolean {
  return (['Pod', 'ReplicaSet'].includes(kind) && metadata.ownerReferences !== undefined) || metadata.namespace === 'kube-node-lease';
}

async function listResource(cluster: Cluster, path: string, type: { apiVersion: string; kind: string }): Promise<KubeObject[]> {
  const { items } = await read<{ items: readonly KubeObject[] }>(cluster, path);
  return items.map((item) => ({ ...item, ...type }));
}

function contentOf(object: KubeObject): string {
  if (RESTLESS.includes(object.kind)) return '';
  const { labels, annotations, finalizers } = object.metadata;
  return digestOf({ ...object, metadata: { labels, annotations, finalizers }, status: undefined });
}

async function read<T>(cluster: Cluster, path: string): Promise<T> {
  return (await cluster.request<T>({ method: 'GET', path, about: { apiVersion: 'v1', kind: path } })).body;
}
