// Server-side apply and the record of who owns which field (structured-merge-diff's rules, KEP-555).

import {
  compareFields,
  decodeFields,
  describeField,
  encodeFields,
  fieldsOf,
  isBelow,
  removeFields,
  topMember,
  type FieldSet,
} from './field-set';
import { itemKey, mergeShapeOf, type MergeShape } from './merge-shape';
import { isObject, isSameJson, type JsonObject, type KubeObject, type ManagedFieldsEntry } from './object';
import type { ResourceType } from './resources';
import { StatusError } from './status';

/** Who makes a change, as `managedFields` names it. */
export interface FieldManager {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource?: string;
}

interface Owner extends FieldManager {
  fields: FieldSet;
  time: string;
}

// Fields that the server itself keeps; nobody owns them.
const SYSTEM_METADATA = ['name', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'selfLink', 'managedFields'];
const UNOWNED_METADATA = [...SYSTEM_METADATA, 'deletionTimestamp', 'deletionGracePeriodSeconds'];

/** The fields of an object that can be owned through this (sub)resource. */
function ownable(type: ResourceType, object: JsonObject, subresource: string | undefined): Map<string, unknown> {
  const { apiVersion: _version, kind: _kind, metadata, ...content } = object;
  const meta = Object.fromEntries(
    Object.entries(isObject(metadata) ? metadata : {}).filter(([member]) => !UNOWNED_METADATA.includes(member)),
  );
  const fields = fieldsOf({ ...content, metadata: meta }, mergeShapeOf(type));
  fields.delete('f:metadata');
  return new Map([...fields].filter(([path]) => !type.status || (topMember(path) === 'status') === (subresource === 'status')));
}

/** Merges an applied configuration into the live object and drops what its manager applied before and now leaves out. */
export function applyConfiguration(type: ResourceType, live: KubeObject, configuration: JsonObject, by: FieldManager): JsonObject {
  const shape = mergeShapeOf(type);
  const result = structuredClone(mergeApplied(live, configuration, shape)) as JsonObject;
  const owners = readOwners(live);
  const wanted = new Set(ownable(type, configuration, by.subresource).keys());
  const others = owners.filter((owner) => !isSame(owner, by)).flatMap((owner) => [...owner.fields]);
  const otherFields = new Set(others);
  const isKept = (path: string): boolean =>
    wanted.has(path) ||
    otherFields.has(path) ||
    others.some((other) => isBelow(other, path)) ||
    [...wanted].some((field) => isBelow(field, path));
  const before = owners.find((owner) => isSame(owner, by))?.fields ?? new Set<string>();
  removeFields(result, new Set([...before].filter((path) => !isKept(path))), shape);
  return result;
}

function mergeApplied(live: unknown, applied: unknown, shape: MergeShape): unknown {
  if (isObject(applied) && isObject(live) && !shape.atomicMap) {
    const merged: JsonObject = { ...live };
    for (const [member, value] of Object.entries(applied)) merged[member] = mergeApplied(live[member], value, shape.member(member));
    return merged;
  }
  if (!Array.isArray(applied) || !Array.isArray(live) || shape.list === 'atomic') return applied;
  if (shape.list === 'set') return [...(live as unknown[]), ...(applied as unknown[]).filter((item) => !live.includes(item))];
  const keys = shape.list;
  const merged = [...(live as unknown[])];
  for (const item of applied as unknown[]) {
    const index = merged.findIndex((other) => isSameJson(itemKey(other, keys), itemKey(item, keys)));
    if (index < 0) merged.push(item);
    else merged[index] = mergeApplied(merged[index], item, shape.item());
  }
  return merged;
}

/**
 * The managed fields after an apply: the manager owns what it applied.
 * @throws StatusError 409 when another manager owns a field that changes, unless forced.
 */
export function ownersAfterApply(
  type: ResourceType,
  live: KubeObject | undefined,
  result: KubeObject,
  configuration: JsonObject,
  by: FieldManager,
  force: boolean,
  time: string,
): ManagedFieldsEntry[] {
  const before = live === undefined ? new Map<string, unknown>() : ownable(type, live, by.subresource);
  const { changed, removed } = compareFields(before, ownable(type, result, by.subresource));
  const owners = readOwners(live);
  const others = owners.filter((owner) => !isSame(owner, by));
  const conflicts = others.flatMap((owner) => [...owner.fields].filter((path) => changed.has(path)).map((path) => ({ owner, path })));
  if (conflicts.length > 0 && !force) throw applyConflict(conflicts);
  for (const owner of others) disown(owner, changed, removed);
  const fields = new Set(ownable(type, configuration, by.subresource).keys());
  const previous = owners.find((owner) => isSame(owner, by));
  const isUnchanged = previous !== undefined && isSameJson(encodeFields(previous.fields), encodeFields(fields));
  return writeOwners([...others, { ...by, fields, time: isUnchanged ? previous.time : time }]);
}

/** The managed fields after any other write: its manager owns every field that it changed, nobody owns removed ones. */
export function ownersAfterUpdate(
  type: ResourceType,
  live: KubeObject | undefined,
  result: KubeObject,
  by: FieldManager,
  time: string,
): ManagedFieldsEntry[] {
  const before = live === undefined ? new Map<string, unknown>() : ownable(type, live, by.subresource);
  const { changed, removed } = compareFields(before, ownable(type, result, by.subresource));
  const owners = readOwners(live);
  if (changed.size === 0 && removed.size === 0) return writeOwners(owners);
  const mine = owners.find((owner) => isSame(owner, by)) ?? { ...by, fields: new Set<string>(), time };
  const others = owners.filter((owner) => owner !== mine);
  for (const owner of others) disown(owner, changed, removed);
  mine.fields = new Set([...mine.fields, ...changed].filter((path) => !removed.has(path)));
  if (changed.size > 0) mine.time = time;
  return writeOwners([...others, mine]);
}

function disown(owner: Owner, changed: FieldSet, removed: FieldSet): void {
  owner.fields = new Set([...owner.fields].filter((path) => !changed.has(path) && !removed.has(path)));
}

function isSame(a: FieldManager, b: FieldManager): boolean {
  return a.manager === b.manager && a.operation === b.operation && a.subresource === b.subresource && a.apiVersion === b.apiVersion;
}

function readOwners(object: KubeObject | undefined): Owner[] {
  return (object?.metadata.managedFields ?? []).map(({ fieldsV1, fieldsType: _type, ...owner }) => ({
    ...owner,
    fields: decodeFields(fieldsV1),
  }));
}

function writeOwners(owners: readonly Owner[]): ManagedFieldsEntry[] {
  return owners
    .filter((owner) => owner.fields.size > 0)
    .map(({ fields, ...owner }) => ({ ...owner, fieldsType: 'FieldsV1', fieldsV1: encodeFields(fields) }));
}

function applyConflict(conflicts: readonly { owner: Owner; path: string }[]): StatusError {
  const named = ({ owner }: { owner: Owner }): string =>
    `${JSON.stringify(owner.manager)}${owner.subresource === undefined ? '' : ` with subresource "${owner.subresource}"`}` +
    (owner.operation === 'Update' ? ` using ${owner.apiVersion}` : '');
  const causes = conflicts.map((one) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${named(one)}`,
    field: describeField(one.path),
  }));
  const [only] = conflicts;
  if (conflicts.length === 1 && only !== undefined) {
    const message = `Apply failed with 1 conflict: conflict with ${named(only)}: ${describeField(only.path)}`;
    return new StatusError(409, 'Conflict', message, { causes });
  }
  const lines = [...new Set(conflicts.map(named))]
    .sort()
    .flatMap((manager) => [
      `conflicts with ${manager}:`,
      ...conflicts.filter((one) => named(one) === manager).map((one) => `- ${describeField(one.path)}`),
    ]);
  return new StatusError(409, 'Conflict', `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`, { causes });
}
