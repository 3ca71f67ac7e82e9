// The three patch formats that change what is there: merge patch (RFC 7386), JSON patch (RFC 6902), strategic merge patch.

import { itemKey, type MergeShape } from './merge-shape';
import { isObject, isSameJson, type JsonObject } from './object';
import { badRequest, StatusError } from './status';

/** A merge patch's result; neither argument is changed. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return structuredClone(patch);
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [member, value] of Object.entries(patch)) {
    if (value === null) delete result[member];
    else result[member] = mergePatch(result[member], value);
  }
  return result;
}

/** A JSON patch's result; one operation that fails fails them all. */
export function jsonPatch(target: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations))
    throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  return operations.reduce<unknown>((document, operation) => applyOperation(document, operation as JsonObject), structuredClone(target));
}

function applyOperation(document: unknown, operation: JsonObject): unknown {
  const path = pointer(operation['path']);
  switch (operation['op']) {
    case 'add':
      return edit(document, path, () => operation['value'], true);
    case 'replace':
      readAt(document, path);
      return edit(document, path, () => operation['value'], false);
    case 'remove':
      readAt(document, path);
      return edit(document, path, undefined, false);
    case 'move': {
      const from = pointer(operation['from']);
      const value = readAt(document, from);
      return edit(edit(document, from, undefined, false), path, () => value, true);
    }
    case 'copy': {
      const value = structuredClone(readAt(document, pointer(operation['from'])));
      return edit(document, path, () => value, true);
    }
    case 'test':
      if (!isSameJson(readAt(document, path), operation['value'])) throw unprocessable();
      return document;
    default:
      throw badRequest(`Unexpected kind: ${String(operation['op'])}`);
  }
}

// The real server hides the patch library's reason behind this sentence.
const unprocessable = (): StatusError => new StatusError(422, 'Invalid', 'the server rejected our request due to an error in our request');

function pointer(text: unknown): string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/'))) throw unprocessable();
  return text
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function readAt(document: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, segment) => {
    const inner: unknown = Array.isArray(value) ? value[Number(segment)] : isObject(value) ? value[segment] : undefined;
    if (inner === undefined) throw unprocessable();
    return inner;
  }, document);
}

/** Puts, or without a value removes, what a path points at; `inserts` makes room in a list. */
function edit(document: unknown, path: readonly string[], value: (() => unknown) | undefined, inserts: boolean): unknown {
  const last = path.at(-1);
  if (last === undefined) return value?.();
  const parent = readAt(document, path.slice(0, -1));
  if (Array.isArray(parent)) {
    const index = last === '-' ? parent.length : Number(last);
    if (!Number.isInteger(index) || index < 0 || index > parent.length) throw unprocessable();
    parent.splice(index, inserts ? 0 : 1, ...(value === undefined ? [] : [value()]));
  } else if (isObject(parent)) {
    if (value === undefined) delete parent[last];
    else parent[last] = value();
  } else {
    throw unprocessable();
  }
  return document;
}

/** A strategic merge patch's result: lists with a merge key merge by it, and `$patch` directives are obeyed. */
export function strategicMerge(target: unknown, patch: unknown, shape: MergeShape): unknown {
  if (Array.isArray(patch)) return mergeList(Array.isArray(target) ? target : [], patch, shape);
  if (!isObject(patch)) return structuredClone(patch);
  const { $patch: directive, $retainKeys: retained, ...members } = patch;
  if (directive === 'replace') return structuredClone(members);
  const result: JsonObject = isObject(target) ? { ...target } : {};
  if (Array.isArray(retained)) for (const member of Object.keys(result)) if (!retained.includes(member)) delete result[member];
  for (const [member, value] of Object.entries(members)) {
    if (member.startsWith('$setElementOrder/')) continue;
    if (member.startsWith('$deleteFromPrimitiveList/')) {
      const list = member.slice(member.indexOf('/') + 1);
      result[list] = (Array.isArray(result[list]) ? result[list] : []).filter((item) => !(value as unknown[]).includes(item));
    } else if (value === null) {
      delete result[member];
    } else if (isObject(value) && value['$patch'] === 'delete') {
      delete result[member];
    } else {
      result[member] = strategicMerge(result[member], value, shape.member(member));
    }
  }
  return result;
}

function mergeList(target: unknown[], patch: unknown[], shape: MergeShape): unknown[] {
  if (shape.list === 'atomic') return structuredClone(patch);
  if (shape.list === 'set') return [...target, ...patch.filter((item) => !target.includes(item))];
  const isReplaced = patch.some((item) => isObject(item) && item['$patch'] === 'replace');
  const result = isReplaced ? [] : [...target];
  // Strategic patches go by the first key alone (`port`, `containerPort`), unlike server-side apply.
  const keys = shape.list.slice(0, 1);
  for (const item of patch.filter(isObject)) {
    if (item['$patch'] === 'replace') continue;
    const index = result.findIndex((other) => isSameJson(itemKey(other, keys), itemKey(item, keys)));
    if (item['$patch'] === 'delete') {
      if (index >= 0) result.splice(index, 1);
    } else if (index >= 0) {
      result[index] = strategicMerge(result[index], item, shape.item());
    } else {
      result.push(strategicMerge({}, item, shape.item()));
    }
  }
  return result;
}
