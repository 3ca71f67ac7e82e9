// DELETE: preconditions, finalizers, grace periods, and what becomes of dependents.

import type { ClusterState } from './cluster-state';
import { checkPreconditions, holdsContent } from './lifecycle';
import { objectAt, textAt, valueAt, type JsonObject, type KubeObject } from './object';
import type { ResourceType } from './resources';
import { forbidden, forbiddenValue, invalid } from './status';

/** What becomes of the objects that an object owns. */
export type Propagation = 'Background' | 'Foreground' | 'Orphan';

export const FOREGROUND_FINALIZER = 'foregroundDeletion';
export const ORPHAN_FINALIZER = 'orphan';

const PROTECTED_NAMESPACES = ['default', 'kube-system', 'kube-public'];

/** The object's last or waiting state, and whether it is gone. */
export interface Deleted {
  readonly object: KubeObject;
  readonly gone: boolean;
}

/** Deletes an object, or marks it when finalizers, a grace period or dependents hold it. `options` is a DeleteOptions. */
export function deleteObject(cluster: ClusterState, type: ResourceType, live: KubeObject, options: JsonObject, dryRun = false): Deleted {
  const isNamespace = type.plural === 'namespaces' && type.group === '';
  if (isNamespace && PROTECTED_NAMESPACES.includes(live.metadata.name)) {
    throw forbidden(type, live.metadata.name, 'this namespace may not be deleted');
  }
  checkPreconditions(type, live, objectAt(options, 'preconditions'));
  const graceSeconds = gracePeriodOf(type, live, options);
  const object = structuredClone(live);
  const finalizers = finalizersFor(live, propagationOf(type, options));
  if (finalizers.length > 0) object.metadata.finalizers = finalizers;
  else delete object.metadata.finalizers;

  if (finalizers.length === 0 && graceSeconds === 0 && !holdsContent(type, live)) {
    return { object: dryRun ? object : cluster.store.remove(type, object), gone: true };
  }
  if (live.metadata.deletionTimestamp === undefined) {
    object.metadata.deletionTimestamp = cluster.timestamp();
    object.metadata.deletionGracePeriodSeconds = graceSeconds;
    if (isNamespace) {
      delete object.metadata.deletionGracePeriodSeconds;
      object['status'] = { ...objectAt(object, 'status'), phase: 'Terminating' };
    }
    if (type.generation && object.metadata.generation !== undefined) object.metadata.generation += 1;
  } else if (graceSeconds < (live.metadata.deletionGracePeriodSeconds ?? 0)) {
    object.metadata.deletionGracePeriodSeconds = graceSeconds;
  } else if (JSON.stringify(finalizers) === JSON.stringify(live.metadata.finalizers ?? [])) {
    return { object: live, gone: false };
  }
  return { object: dryRun ? object : cluster.store.put(type, object), gone: false };
}

function propagationOf(type: ResourceType, options: JsonObject): Propagation {
  const policy = textAt(options, 'propagationPolicy');
  if (policy === '') {
    if (options['orphanDependents'] === true) return 'Orphan';
    return options['orphanDependents'] === false ? 'Background' : type.defaultPropagation;
  }
  if (policy === 'Background' || policy === 'Foreground' || policy === 'Orphan') return policy;
  const why = `Invalid value: ${JSON.stringify(policy)}: must be Foreground, Background, Orphan or nil`;
  throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [{ ...forbiddenValue('propagationPolicy', why), message: why }]);
}

function finalizersFor(live: KubeObject, propagation: Propagation): string[] {
  const own = (live.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FOREGROUND_FINALIZER && finalizer !== ORPHAN_FINALIZER);
  if (propagation === 'Foreground') return [...own, FOREGROUND_FINALIZER];
  return propagation === 'Orphan' ? [...own, ORPHAN_FINALIZER] : own;
}

/** Only pods that a node runs are given time; the node's agent deletes them for good with a grace period of 0. */
function gracePeriodOf(type: ResourceType, live: KubeObject, options: JsonObject): number {
  if (type.plural !== 'pods' || type.group !== '') return 0;
  const isOver = ['Succeeded', 'Failed'].includes(textAt(live, 'status', 'phase'));
  if (isOver || textAt(live, 'spec', 'nodeName') === '') return 0;
  const asked = options['gracePeriodSeconds'];
  if (typeof asked === 'number') return Math.max(asked, 0);
  const usual = valueAt(live, 'spec', 'terminationGracePeriodSeconds');
  return live.metadata.deletionGracePeriodSeconds ?? (typeof usual === 'number' ? usual : 30);
}
