// What is not the fabric's on the clusters: it must stay as it was, whatever the fabric does.
import { MANAGED_BY, MANAGED_BY_LABEL } from '../../src/kubernetes/claim-marks';
import { digestOf } from '../../src/kubernetes/digest';
import { describeRef, refOf, type KubeObject } from '../../src/kubernetes/kube-object';
import { SYSTEM } from './observation';
import { CLUSTERS } from './schedule';
import type { World } from './world';

/** Kinds that come and go, or are written again and again, by themselves. */
const RESTLESS = ['Event', 'Endpoints', 'EndpointSlice', 'Lease', 'Node', 'Pod', 'ReplicaSet'];

/** `cluster: Kind namespace/name` and the digest of its contents, of everything that is neither the fabric's nor made for it. */
export function foreignObjects(world: World): Map<string, string> {
  return new Map(
    CLUSTERS.flatMap((cluster) =>
      world
        .objects(cluster)
        .filter(isForeign)
        .map((object): [string, string] => [`${cluster}: ${describeRef(refOf(object))} (${object.apiVersion})`, contentOf(object)]),
    ),
  );
}

/** What went or changed; what came is no harm here. */
export function foreignDifferences(before: ReadonlyMap<string, string>, world: World): string[] {
  const after = foreignObjects(world);
  return [...before].flatMap(([name, digest]) => {
    const now = after.get(name);
    if (now === undefined) return [`${name} is gone`];
    return now === digest ? [] : [`${name} was changed`];
  });
}

function isForeign({ kind, metadata: { labels = {}, namespace } }: KubeObject): boolean {
  return (
    !RESTLESS.includes(kind) &&
    namespace !== SYSTEM &&
    labels[MANAGED_BY_LABEL] !== MANAGED_BY &&
    labels[MANAGED_BY_LABEL] !== 'clusterlink.net'
  );
}

function contentOf(object: KubeObject): string {
  const { labels, annotations, finalizers } = object.metadata;
  return digestOf({ ...object, metadata: { labels, annotations, finalizers }, status: undefined });
}
