// How values merge: which lists are maps by a key, which are sets, which values are replaced whole.
// Server-side apply and strategic merge patches both go by it. For built-in kinds a table of the fields that this project meets,
// for custom resources their schema.

import { childSchema, type CustomSchema } from './crd-schema';
import { isObject, type JsonObject } from './object';
import type { ResourceType } from './resources';

/** The merging rules at one place of an object. */
export interface MergeShape {
  /** An object here is replaced whole. */
  readonly atomicMap: boolean;
  /** A list here is replaced whole, a set of plain values, or a map by these members of its items. */
  readonly list: 'atomic' | 'set' | readonly string[];
  member(name: string): MergeShape;
  item(): MergeShape;
}

// Kubernetes' API types: the `+listType`, `+listMapKey`, `+mapType` and `patchMergeKey` markers of v1.32.
const KEYED_LISTS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/\.(containers|initContainers)\.ports$/, ['containerPort', 'protocol']],
  [/^Service\.spec\.ports$/, ['port', 'protocol']],
  [/\.(containers|initContainers|env|volumes|imagePullSecrets)$/, ['name']],
  [/^ServiceAccount\.secrets$/, ['name']],
  [/\.volumeMounts$/, ['mountPath']],
  [/\.status\.conditions$/, ['type']],
  [/\.hostAliases$/, ['ip']],
  [/\.topologySpreadConstraints$/, ['topologyKey', 'whenUnsatisfiable']],
  [/\.metadata\.ownerReferences$/, ['uid']],
];
const SETS = /\.metadata\.finalizers$/;
const ATOMIC_MAPS = /(\.selector|Selector|\.fieldRef|KeyRef|\.resourceFieldRef|\.roleRef|\.involvedObject|\.targetRef)$/;

/** The rules for a resource's objects. */
export function mergeShapeOf(type: ResourceType): MergeShape {
  return type.schema === undefined ? builtInShape(type.kind) : customShape(type.schema, type.kind);
}

function builtInShape(path: string): MergeShape {
  return {
    atomicMap: ATOMIC_MAPS.test(path),
    list: SETS.test(path) ? 'set' : (KEYED_LISTS.find(([pattern]) => pattern.test(path))?.[1] ?? 'atomic'),
    member: (name) => builtInShape(`${path}.${name}`),
    item: () => builtInShape(path),
  };
}

function customShape(schema: CustomSchema | undefined, root?: string): MergeShape {
  const keys = schema?.['x-kubernetes-list-map-keys'];
  return {
    atomicMap: schema?.['x-kubernetes-map-type'] === 'atomic',
    list: schema?.['x-kubernetes-list-type'] === 'set' ? 'set' : Array.isArray(keys) ? (keys as string[]) : 'atomic',
    member: (name) =>
      root !== undefined && name === 'metadata' ? builtInShape(`${root}.metadata`) : customShape(childSchema(schema, name)),
    item: () => customShape(childSchema(schema)),
  };
}

/** The key of a list's item, its members sorted; a port without a protocol is a TCP port. */
export function itemKey(item: unknown, keys: readonly string[]): JsonObject {
  const source = isObject(item) ? item : {};
  return Object.fromEntries([...keys].sort().map((key) => [key, source[key] ?? (key === 'protocol' ? 'TCP' : null)]));
}
