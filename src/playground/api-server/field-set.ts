// Sets of fields, as `metadata.managedFields` records who owns what (fieldsV1).
// A field is a path of elements joined by NUL: `f:<member>`, `k:<key of a list's item>`, `v:<value of a set>`.

import { itemKey, type MergeShape } from './merge-shape';
import { isObject, isSameJson, type JsonObject } from './object';

export type FieldSet = Set<string>;

const SEPARATOR = '\u0000';

/** Every field of a value with what it holds; a list's item counts as a field of its own. */
export function fieldsOf(value: unknown, shape: MergeShape): Map<string, unknown> {
  const fields = new Map<string, unknown>();
  collect(value, shape, [], fields);
  return fields;
}

function collect(value: unknown, shape: MergeShape, path: readonly string[], fields: Map<string, unknown>): void {
  const at = (element: string): string[] => [...path, element];
  if (isObject(value) && !shape.atomicMap && (Object.keys(value).length > 0 || path.length === 0)) {
    for (const [member, inner] of Object.entries(value)) collect(inner, shape.member(member), at(`f:${member}`), fields);
  } else if (Array.isArray(value) && shape.list !== 'atomic' && value.length > 0) {
    for (const item of value as unknown[]) {
      const element = elementOf(item, shape);
      fields.set(at(element).join(SEPARATOR), null);
      if (isObject(item)) collect(item, shape.item(), at(element), fields);
    }
  } else {
    fields.set(path.join(SEPARATOR), value);
  }
}

function elementOf(item: unknown, shape: MergeShape): string {
  return Array.isArray(shape.list) ? `k:${JSON.stringify(itemKey(item, shape.list as string[]))}` : `v:${JSON.stringify(item)}`;
}

/** Which fields differ between two states of an object: added or modified, and removed. */
export function compareFields(before: Map<string, unknown>, after: Map<string, unknown>): { changed: FieldSet; removed: FieldSet } {
  const changed = [...after].filter(([path, value]) => !before.has(path) || !isSameJson(before.get(path), value));
  return {
    changed: new Set(changed.map(([path]) => path)),
    removed: new Set([...before.keys()].filter((path) => !after.has(path))),
  };
}

/** `fieldsV1` of a set. */
export function encodeFields(fields: FieldSet): JsonObject {
  const root: JsonObject = {};
  for (const path of [...fields].sort()) {
    let node = root;
    for (const element of path.split(SEPARATOR)) node = (node[element] ??= {}) as JsonObject;
    node['.'] = {};
  }
  return withoutLoneDots(root);
}

function withoutLoneDots(node: JsonObject): JsonObject {
  const members = Object.keys(node);
  if (members.length === 1 && members[0] === '.') return {};
  return Object.fromEntries(Object.entries(node).map(([element, inner]) => [element, withoutLoneDots(inner as JsonObject)]));
}

/** The set that `fieldsV1` stands for. */
export function decodeFields(fieldsV1: JsonObject): FieldSet {
  const fields: FieldSet = new Set();
  const walk = (node: JsonObject, path: readonly string[]): void => {
    const elements = Object.entries(node);
    if (path.length > 0 && (elements.length === 0 || '.' in node)) fields.add(path.join(SEPARATOR));
    for (const [element, inner] of elements) if (element !== '.' && isObject(inner)) walk(inner, [...path, element]);
  };
  walk(fieldsV1, []);
  return fields;
}

/** A path as conflict messages show it: `.spec.ports[port=80,protocol="TCP"].nodePort`. */
export function describeField(path: string): string {
  return path
    .split(SEPARATOR)
    .map((element) => {
      const rest = element.slice(2);
      if (element.startsWith('f:')) return `.${rest}`;
      if (element.startsWith('v:')) return `[=${rest}]`;
      const key = JSON.parse(rest) as JsonObject;
      return `[${Object.entries(key)
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(',')}]`;
    })
    .join('');
}

/** Whether `inner` lies below `outer`. */
export function isBelow(inner: string, outer: string): boolean {
  return inner.startsWith(outer + SEPARATOR);
}

/** The first element of a path, without its prefix. */
export function topMember(path: string): string {
  return path.split(SEPARATOR, 1)[0]?.slice(2) ?? '';
}

/** Removes fields from an object, in place, and with them the objects and lists that they leave empty. */
export function removeFields(object: JsonObject, fields: FieldSet, shape: MergeShape): void {
  // Whole items first; an item that stays keeps its key, by which the rest is found.
  const paths = [...fields].sort((a, b) => a.length - b.length).map((path) => path.split(SEPARATOR));
  for (const path of paths) if (!isKeyOfItem(path)) removeAt(object, path, shape);
}

function isKeyOfItem(path: readonly string[]): boolean {
  const [item = '', member = ''] = path.slice(-2);
  return item.startsWith('k:') && Object.hasOwn(JSON.parse(item.slice(2)) as JsonObject, member.slice(2));
}

/** Removes one field; returns whether its container is empty now. */
function removeAt(container: unknown, path: readonly string[], shape: MergeShape): boolean {
  const [element, ...rest] = path;
  if (element === undefined) return false;
  if (Array.isArray(container)) {
    const index = container.findIndex((item) => elementOf(item, shape) === element);
    if (index < 0) return false;
    if (rest.length === 0) container.splice(index, 1);
    else removeAt(container[index], rest, shape.item());
    return container.length === 0;
  }
  if (!isObject(container)) return false;
  const member = element.slice(2);
  if (!(member in container)) return false;
  if (rest.length === 0 || removeAt(container[member], rest, shape.member(member))) delete container[member];
  return Object.keys(container).length === 0;
}
