// What an API server may answer, before anything relies on it: JSON of bounded depth, objects whose metadata has its proper types, and
// names that are safe in a URL. An answer that is none of this comes from something else, or from a server that means no good.
import { isRecord } from '../model/problems';
import type { KubeObject, ObjectRef } from './kube-object';

/** Deeper than any schema of a CustomResourceDefinition, and shallow enough for whatever walks through it. */
const MOST_NESTING = 1_000;
const OPEN = [0x5b, 0x7b];
const CLOSE = [0x5d, 0x7d];
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The JSON object in a text; `undefined` when it holds anything else, or nests deeper than any Kubernetes object. */
export function readJsonObject(text: string): Record<string, unknown> | undefined {
  if (isNestedTooDeeply(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a name can stand as one segment of a URL's path. Source: Kubernetes, apimachinery/pkg/api/validation/path. */
export function isPathSegment(name: unknown): name is string {
  return typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/%]/.test(name);
}

/** Whether a value is an object as every kind has it: named, with metadata of the proper types. */
export function isKubeObject(value: unknown): value is KubeObject {
  if (!isRecord(value) || !isMetadata(value['metadata'])) return false;
  const { name, namespace, ownerReferences } = value['metadata'];
  return (
    isPathSegment(name) &&
    (namespace === undefined || isPathSegment(namespace)) &&
    (ownerReferences === undefined || (Array.isArray(ownerReferences) && ownerReferences.every(isOwner)))
  );
}

/** Whether a value is the object that the reference names. */
export function isObjectOf(value: unknown, { name, namespace }: ObjectRef): boolean {
  return isKubeObject(value) && value.metadata.name === name && isIn(value, namespace);
}

/** Whether an object is in the namespace that was asked for, if any was; a cluster-wide object is in none. */
export function isIn({ metadata }: KubeObject, namespace: string | undefined): boolean {
  return namespace === undefined || metadata.namespace === undefined || metadata.namespace === namespace;
}

/** Whether a value is an event of a watch; a bookmark has a version only, an error any object. */
export function isWatchEvent(value: Record<string, unknown>): boolean {
  const { type, object } = value;
  if (type === 'ERROR') return true;
  if (type === 'BOOKMARK') return isRecord(object) && isMetadata(object['metadata']);
  return (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') && isKubeObject(object);
}

function isMetadata(value: unknown): value is Record<string, unknown> {
  if (!isRecord(value)) return false;
  const { uid, resourceVersion, deletionTimestamp, labels, annotations, finalizers } = value;
  return (
    [uid, resourceVersion, deletionTimestamp].every((one) => one === undefined || typeof one === 'string') &&
    [labels, annotations].every((one) => one === undefined || (isRecord(one) && Object.values(one).every(isText))) &&
    (finalizers === undefined || (Array.isArray(finalizers) && finalizers.every(isText)))
  );
}

function isOwner(value: unknown): boolean {
  return isRecord(value) && ['apiVersion', 'uid', 'kind', 'name'].every((member) => isText(value[member]));
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

/** Read before it is parsed: what is built of it would overflow the stack of the first function that walks through it. */
function isNestedTooDeeply(text: string): boolean {
  if (text.length <= MOST_NESTING) return false;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === BACKSLASH) at += 1;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (OPEN.includes(code)) depth += 1;
    else if (CLOSE.includes(code)) depth -= 1;
    if (depth > MOST_NESTING) return true;
  }
  return false;
}
