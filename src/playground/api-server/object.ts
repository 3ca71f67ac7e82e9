// The shape of a Kubernetes object here, and safe ways to look into JSON of unknown shape.

export type JsonObject = Record<string, unknown>;

/** An entry of `metadata.ownerReferences`. */
interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  blockOwnerDeletion?: boolean;
  controller?: boolean;
}

/** An entry of `metadata.managedFields`. */
export interface ManagedFieldsEntry {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  time: string;
  fieldsType: 'FieldsV1';
  fieldsV1: JsonObject;
  subresource?: string;
}

export interface ObjectMeta {
  [key: string]: unknown;
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string;
  generation?: number;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  finalizers?: string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedFieldsEntry[];
}

/** A stored object; the store never changes one, it replaces it. */
export interface KubeObject {
  [key: string]: unknown;
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** Whether the value is a JSON object (no array, no null). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path of members; `undefined` when a step is missing. */
export function valueAt(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>((inner, member) => (isObject(inner) && Object.hasOwn(inner, member) ? inner[member] : undefined), value);
}

/** The object at a path; an empty one when there is none. */
export function objectAt(value: unknown, ...path: string[]): JsonObject {
  const found = valueAt(value, ...path);
  return isObject(found) ? found : {};
}

/** The objects of the list at a path; empty when there is no list. */
export function objectsAt(value: unknown, ...path: string[]): JsonObject[] {
  const found = valueAt(value, ...path);
  return Array.isArray(found) ? found.filter(isObject) : [];
}

/** The text at a path; empty when there is none. */
export function textAt(value: unknown, ...path: string[]): string {
  const found = valueAt(value, ...path);
  return typeof found === 'string' ? found : '';
}

/** Sets members that are absent or null, as API defaulting does. */
export function setDefaults(target: JsonObject, defaults: JsonObject): void {
  for (const [member, value] of Object.entries(defaults)) target[member] ??= structuredClone(value);
}

/** Removes null members, however deep: built-in types drop them when they are decoded. */
export function dropNulls(value: unknown): void {
  if (Array.isArray(value)) value.forEach(dropNulls);
  if (!isObject(value)) return;
  for (const [member, inner] of Object.entries(value)) {
    if (inner === null) delete value[member];
    else dropNulls(inner);
  }
}

/** Maps that Kubernetes leaves out when they are empty; other empty objects say something, as in `emptyDir: {}`. */
const MAPS = ['labels', 'annotations', 'data', 'binaryData', 'nodeSelector', 'matchLabels', 'limits', 'requests'];

/** Takes away, in place, what Kubernetes does not keep of its own kinds: empty lists and maps. */
export function dropEmpty(value: unknown): void {
  if (Array.isArray(value)) value.forEach(dropEmpty);
  if (!isObject(value)) return;
  for (const [member, inner] of Object.entries(value)) {
    const isEmptyMap = MAPS.includes(member) && isObject(inner) && Object.keys(inner).length === 0;
    if (isEmptyMap || (Array.isArray(inner) && inner.length === 0)) delete value[member];
    else dropEmpty(inner);
  }
}

/** Whether two JSON values say the same; an undefined member is no member. */
export function isSameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, index) => isSameJson(item, b[index]));
  if (!isObject(a) || !isObject(b)) return false;
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((member) => isSameJson(a[member], b[member]));
}
