// When an object may begin, be written over, and go: preconditions, namespaces that are ending, what holds a deleted object.

import { textAt, valueAt, type JsonObject, type KubeObject } from './object';
import type { ResourceType } from './resources';
import { conflict, forbidden, notFound } from './status';
import type { Store } from './store';

const NAMESPACES = { group: '', plural: 'namespaces' };

/** Refuses to write over a state, or an object, that the client has not seen. */
export function checkUnchanged(type: ResourceType, live: KubeObject, wanted: JsonObject): void {
  const { uid, resourceVersion, name } = live.metadata;
  const wantedUid = textAt(wanted, 'uid');
  if (wantedUid !== '' && wantedUid !== uid) {
    throw conflict(type, name, `Precondition failed: UID in precondition: ${wantedUid}, UID in object meta: ${uid}`);
  }
  const wantedVersion = textAt(wanted, 'resourceVersion');
  if (wantedVersion !== '' && wantedVersion !== resourceVersion) throw conflict(type, name);
}

/** Refuses a DELETE that is meant for another object, or another state of it. */
export function checkPreconditions(type: ResourceType, live: KubeObject, wanted: JsonObject): void {
  const { uid, resourceVersion, name } = live.metadata;
  const compare = (what: string, asked: string, actual: string, otherwise: string): void => {
    if (asked === '' || asked === actual) return;
    const why = `the ${what} in the precondition (${asked}) does not match the ${what} in record (${actual}). ${otherwise}`;
    throw conflict(type, name, why);
  };
  compare('UID', textAt(wanted, 'uid'), uid, 'The object might have been deleted and then recreated');
  compare('ResourceVersion', textAt(wanted, 'resourceVersion'), resourceVersion, 'The object might have been modified');
}

/** Nothing new may enter a namespace that is missing or going. */
export function admitToNamespace(store: Store, type: ResourceType, namespace: string, name: string): void {
  const found = store.get(NAMESPACES, undefined, namespace);
  if (found === undefined) throw notFound(NAMESPACES, namespace);
  if (found.metadata.deletionTimestamp === undefined) return;
  const cause = { reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' };
  throw forbidden(type, name, `unable to create new content in namespace ${namespace} because it is being terminated`, [cause]);
}

/** Whether nothing holds a deleted object any more: no finalizer, no grace period, no content (of a namespace). */
export function mayVanish(type: ResourceType, object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    (finalizers ?? []).length === 0 &&
    (deletionGracePeriodSeconds ?? 0) === 0 &&
    !holdsContent(type, object)
  );
}

/** Whether an object is a namespace that its controller has not yet emptied. */
export function holdsContent(type: ResourceType, object: KubeObject): boolean {
  if (type.plural !== 'namespaces' || type.group !== '') return false;
  const finalizers = valueAt(object, 'spec', 'finalizers');
  return Array.isArray(finalizers) && finalizers.length > 0;
}
