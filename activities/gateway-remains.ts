// What is left of a gateway that is taken away: all that carries the fabric's labels on its cluster, and what holds it there.
import { setTimeout as delay } from 'node:timers/promises';
import { FabricError } from '../src/errors/fabric-error';
import { listManaged } from '../src/kubernetes/inventory';
import { describeRef, refOf, type KubeObject } from '../src/kubernetes/kube-object';
import { isResourceMissing } from '../src/kubernetes/kubernetes-errors';
import { tellProgress, withinAttempt } from './activity-context';
import type { GatewayPlace } from './gateway-anchor';
import { isGatewayElsewhere } from './gateway-elsewhere';
import { inParallel } from './in-parallel';
import { namespacesToLookAt } from './inventory';

/** A cloud takes its time to take a load balancer down; one that takes longer is waited for by the next attempt. */
const GONE_TIMEOUT_MS = 60_000;
const GONE_PAUSE_MS = 500;
const MOST_NAMED = 5;

/** The Jobs of probes go by themselves, and definitions stay with the objects that others have of them. */
const LEFT_OUT: readonly string[] = ['Job', 'CustomResourceDefinition'];

/** What carries the fabric's labels on the gateway's cluster; where another gateway of ours is there, in this one's namespace only. */
export async function findRemains(place: GatewayPlace): Promise<readonly KubeObject[]> {
  const { cluster, fabric, namespace, signal } = place;
  const namespaces = await namespacesToLookAt(cluster, namespace, signal);
  const found = (await listManaged(cluster, { fabric, namespaces, signal })).filter(({ kind }) => !LEFT_OUT.includes(kind));
  if (found.length === 0 || !(await isGatewayElsewhere(place))) return found;
  return found.filter(({ metadata }) => metadata.namespace === namespace);
}

/**
 * Waits until these are gone. They are few, and asked for one by one: a watch needs rights that nobody else does.
 * @throws FabricError `pending` that names what stays, and the finalizers that hold it; at once where nothing is on its way
 */
export async function awaitGone(place: GatewayPlace, remains: readonly KubeObject[]): Promise<void> {
  let left = remains;
  if (left.length === 0) return;
  const deadline = Date.now() + withinAttempt(GONE_TIMEOUT_MS);
  while (left.some(isLeaving) && Date.now() < deadline) {
    tellProgress(tellRemains(left));
    await delay(GONE_PAUSE_MS, undefined, { signal: place.signal });
    left = (await inParallel(left, (object) => lookAgain(place, object))).flat();
  }
  const [first] = left;
  if (first === undefined) return;
  throw new FabricError({
    code: 'pending',
    message: `Not gone yet on ${place.cluster.toString()}: ${tellRemains(left)}.`,
    hint: left.every(isLeaving)
      ? 'It goes on once that is gone; if it stays, see why whoever set its finalizers does not take them off.'
      : `Remove what is not being deleted, or its labels of fabric ${place.fabric} where it is not of this fabric.`,
    peer: place.peer,
    object: describeRef(refOf(first)),
  });
}

/** Whether an object is being deleted. */
export function isLeaving({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** What stays, and why, in words. */
export function tellRemains(remains: readonly KubeObject[]): string {
  const words = remains.slice(0, MOST_NAMED).map((object) => {
    const { finalizers = [] } = object.metadata;
    const name = describeRef(refOf(object));
    if (!isLeaving(object)) return `${name} stands`;
    return `${name} is being deleted${finalizers.length === 0 ? '' : ` and held by finalizer ${finalizers.join(', ')}`}`;
  });
  return `${words.join('; ')}${remains.length > MOST_NAMED ? ` and ${remains.length - MOST_NAMED} more` : ''}`;
}

/** The same object as it stands now, if it does. */
async function lookAgain({ cluster, signal }: GatewayPlace, object: KubeObject): Promise<readonly KubeObject[]> {
  try {
    const current = await cluster.get<KubeObject>(refOf(object), signal);
    return current === undefined || current.metadata.uid !== object.metadata.uid ? [] : [current];
  } catch (error) {
    if (isResourceMissing(error)) return [];
    throw error;
  }
}
