// Create, replace, patch and apply: what the server does to an object between the request and the store.

import { randomUUID } from 'node:crypto';
import { authorize, checkEscalation, type Identity } from './access';
import { applyConfiguration, ownersAfterApply, ownersAfterUpdate, type FieldManager } from './apply';
import { checkBody, checkIdentity } from './body-checks';
import type { ClusterState } from './cluster-state';
import { pruneAndDefault, validateSchema } from './crd-schema';
import { rulesOf } from './kinds/rules';
import type { KindContext } from './kinds/kind-rules';
import { admitToNamespace, checkUnchanged, mayVanish } from './lifecycle';
import {
  dropEmpty,
  dropNulls,
  isObject,
  isSameJson,
  objectAt,
  textAt,
  type JsonObject,
  type KubeObject,
  type ManagedFieldsEntry,
  type ObjectMeta,
} from './object';
import { apiVersionOf, type ResourceType } from './resources';
import { alreadyExists, badRequest, invalid, invalidValue, notFound, required, StatusError } from './status';
import { validateMetadata } from './validation';

/** Who writes what, and how. */
export interface WriteCall {
  readonly type: ResourceType;
  readonly identity: Identity;
  readonly namespace: string | undefined;
  readonly dryRun: boolean;
  readonly manager: string;
  readonly subresource?: string;
}

/** An object as it is now, and whether the write made it. */
export interface Written {
  readonly object: KubeObject;
  readonly created: boolean;
}

const NAME_CHARACTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** POST. */
export function createObject(cluster: ClusterState, call: WriteCall, body: JsonObject): Written {
  return insert(cluster, call, body, (object) =>
    ownersAfterUpdate(call.type, undefined, object, fieldManager(call, 'Update'), cluster.timestamp()),
  );
}

/** PUT. */
export function replaceObject(cluster: ClusterState, call: WriteCall, name: string, body: JsonObject): Written {
  const { type } = call;
  checkBody(type, body);
  checkIdentity(type, call.namespace, name, body);
  const live = findLive(cluster, call, name);
  if (live === undefined) {
    if (!type.createOnUpdate || call.subresource !== undefined) throw notFound(type, name);
    authorize(call.identity, { verb: 'create', group: type.group, resource: type.plural, namespace: call.namespace, name });
    return createObject(cluster, call, body);
  }
  if (textAt(body, 'metadata', 'resourceVersion') === '' && !type.unconditionalUpdate) {
    throw invalid(type, name, [invalidValue('metadata.resourceVersion', 0, 'must be specified for an update')]);
  }
  return update(cluster, call, live, body);
}

/** PATCH other than apply: `change` computes the whole new object from the live one. */
export function patchObject(cluster: ClusterState, call: WriteCall, name: string, change: (live: KubeObject) => unknown): Written {
  const { type } = call;
  const live = findLive(cluster, call, name);
  if (live === undefined) throw notFound(type, name);
  const result = change(live);
  if (!isObject(result)) throw badRequest('the patch does not leave an object');
  checkBody(type, result);
  checkIdentity(type, call.namespace, name, result);
  const uid = textAt(result, 'metadata', 'uid');
  if (uid !== live.metadata.uid) throw invalid(type, name, [invalidValue('metadata.uid', uid, 'field is immutable')]);
  return update(cluster, call, live, structuredClone(result));
}

/** PATCH with `application/apply-patch+yaml`. */
export function applyObject(cluster: ClusterState, call: WriteCall, name: string, configuration: JsonObject, force: boolean): Written {
  const { type } = call;
  if (call.manager === '') {
    throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [required('fieldManager', 'is required for apply patch')]);
  }
  if (textAt(configuration, 'apiVersion') === '' || textAt(configuration, 'kind') === '') {
    throw badRequest("Object 'apiVersion' or 'kind' is missing in the applied configuration");
  }
  checkBody(type, configuration);
  if (textAt(configuration, 'metadata', 'name') === '') {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  }
  checkIdentity(type, call.namespace, name, configuration);
  if (objectAt(configuration, 'metadata')['managedFields'] !== undefined) throw badRequest('metadata.managedFields must be nil');
  dropNulls(configuration);
  const by = fieldManager(call, 'Apply');
  const live = findLive(cluster, call, name);
  if (live !== undefined) {
    const result = applyConfiguration(type, live, configuration, by);
    return update(cluster, call, live, result, (object) =>
      ownersAfterApply(type, live, object, configuration, by, force, cluster.timestamp()),
    );
  }
  if (call.subresource !== undefined) throw notFound(type, name);
  authorize(call.identity, { verb: 'create', group: type.group, resource: type.plural, namespace: call.namespace, name });
  return insert(cluster, call, structuredClone(configuration), (object) =>
    ownersAfterApply(type, undefined, object, configuration, by, force, cluster.timestamp()),
  );
}

/** Puts a new object into the store, through admission, defaulting and validation. */
function insert(cluster: ClusterState, call: WriteCall, body: JsonObject, owners: (object: KubeObject) => ManagedFieldsEntry[]): Written {
  const { type, namespace } = call;
  checkBody(type, body);
  const object = newObject(cluster, call, body);
  const { name } = object.metadata;
  if (namespace !== undefined && type.namespaced) admitToNamespace(cluster.store, type, namespace, name);
  checkEscalation(call.identity, type, object, cluster.store);
  complete(cluster, call, object, undefined);
  if (cluster.store.get(type, object.metadata.namespace, name) !== undefined) throw alreadyExists(type, name);
  setOwners(object, owners(object));
  return { object: call.dryRun ? object : cluster.store.put(type, object), created: true };
}

function update(
  cluster: ClusterState,
  call: WriteCall,
  live: KubeObject,
  body: JsonObject,
  owners?: (object: KubeObject) => ManagedFieldsEntry[],
): Written {
  const { type } = call;
  checkUnchanged(type, live, objectAt(body, 'metadata'));
  const object = replacement(call, live, body);
  if (!isSameJson(withoutOwners(object), withoutOwners(live))) checkEscalation(call.identity, type, object, cluster.store);
  complete(cluster, call, object, live);
  if (type.generation && !isSameJson(contentOf(type, object), contentOf(type, live))) {
    object.metadata.generation = (live.metadata.generation ?? 0) + 1;
  }
  const by = fieldManager(call, 'Update');
  setOwners(object, owners === undefined ? ownersAfterUpdate(type, live, object, by, cluster.timestamp()) : owners(object));
  if (isSameJson(object, live)) return { object: live, created: false };
  if (call.dryRun) return { object, created: false };
  if (mayVanish(type, object)) return { object: cluster.store.remove(type, object), created: false };
  return { object: cluster.store.put(type, object), created: false };
}

/** Defaults, what the server decides, and everything that may be wrong. */
function complete(cluster: ClusterState, call: WriteCall, object: KubeObject, live: KubeObject | undefined): void {
  const { type } = call;
  const context: KindContext = { store: cluster.store, addresses: cluster.addresses, dryRun: call.dryRun };
  const rules = rulesOf(type);
  if (call.subresource === undefined) rules.admit?.(object, live, context, type);
  if (type.schema !== undefined) pruneAndDefault(object, type.schema);
  else dropNulls(object);
  // A definition holds schemas, in which an empty list may be a default.
  if (type.schema === undefined && type.kind !== 'CustomResourceDefinition') dropEmpty(object);
  if (call.subresource === undefined) rules.prepare?.(object, live, context);
  const causes = validateMetadata(type, object, live);
  if (type.schema !== undefined) causes.push(...validateSchema(object, type.schema));
  else if (call.subresource === undefined) causes.push(...(rules.validate?.(object, live, context) ?? []));
  if (causes.length > 0) throw invalid(type, object.metadata.name, causes);
}

function newObject(cluster: ClusterState, { type, namespace }: WriteCall, body: JsonObject): KubeObject {
  const given = objectAt(body, 'metadata');
  if (textAt(given, 'resourceVersion') !== '') throw new StatusError(500, '', 'resourceVersion should not be set on objects to be created');
  if (namespace !== undefined && type.namespaced && !['', namespace].includes(textAt(given, 'namespace'))) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const generated = textAt(given, 'generateName') === '' ? '' : `${textAt(given, 'generateName').slice(0, 58)}${randomSuffix()}`;
  const metadata: ObjectMeta = {
    ...keptMetadata(given),
    name: textAt(given, 'name') || generated,
    ...(type.namespaced && namespace !== undefined ? { namespace } : {}),
    uid: randomUUID(),
    resourceVersion: '',
    creationTimestamp: cluster.timestamp(),
    ...(type.generation ? { generation: 1 } : {}),
  };
  const object: KubeObject = { ...structuredClone(body), apiVersion: apiVersionOf(type), kind: type.kind, metadata };
  if (type.status) {
    const status = rulesOf(type).initialStatus?.(object);
    if (status !== undefined) object['status'] = status;
    else if (type.schema === undefined) object['status'] = {};
    else delete object['status'];
  }
  return object;
}

/** The live object with what this (sub)resource may change taken from the request. */
function replacement(call: WriteCall, live: KubeObject, body: JsonObject): KubeObject {
  const { type } = call;
  if (call.subresource === 'status') {
    const object = structuredClone(live);
    if (body['status'] === undefined) delete object['status'];
    else object['status'] = structuredClone(body['status']);
    return object;
  }
  const {
    uid,
    name,
    namespace,
    generateName,
    creationTimestamp,
    generation,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    resourceVersion,
  } = live.metadata;
  const system = { uid, namespace, generateName, creationTimestamp, generation, deletionTimestamp, deletionGracePeriodSeconds };
  const metadata = { ...keptMetadata(objectAt(body, 'metadata')), ...withoutUndefined(system), name, resourceVersion } as ObjectMeta;
  const object: KubeObject = { ...structuredClone(body), apiVersion: apiVersionOf(type), kind: type.kind, metadata };
  if (type.status) {
    delete object['status'];
    if (live['status'] !== undefined) object['status'] = structuredClone(live['status']);
  }
  return object;
}

/** The metadata that clients decide; empty maps and lists are the same as none. */
function keptMetadata(given: JsonObject): JsonObject {
  const kept: JsonObject = {};
  for (const member of ['generateName', 'labels', 'annotations', 'finalizers', 'ownerReferences']) {
    const value = given[member];
    const isEmpty = value === undefined || value === null || value === '' || (typeof value === 'object' && Object.keys(value).length === 0);
    if (!isEmpty) kept[member] = structuredClone(value);
  }
  return kept;
}

function withoutUndefined(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

/** Without what garbage collection changes. */
function withoutOwners({ metadata, ...content }: KubeObject): JsonObject {
  const { ownerReferences: _owners, finalizers: _finalizers, managedFields: _fields, resourceVersion: _version, ...rest } = metadata;
  return { ...content, metadata: rest };
}

function contentOf(type: ResourceType, object: KubeObject): JsonObject {
  const { metadata: _metadata, status, apiVersion: _version, ...content } = object;
  return type.status ? content : { ...content, status };
}

function setOwners(object: KubeObject, owners: ManagedFieldsEntry[]): void {
  if (owners.length > 0) object.metadata.managedFields = owners;
  else delete object.metadata.managedFields;
}

function fieldManager({ type, manager, subresource }: WriteCall, operation: FieldManager['operation']): FieldManager {
  return { manager, operation, apiVersion: apiVersionOf(type), ...(subresource === undefined ? {} : { subresource }) };
}

function findLive(cluster: ClusterState, { type, namespace }: WriteCall, name: string): KubeObject | undefined {
  return cluster.store.get(type, type.namespaced ? namespace : undefined, name);
}

function randomSuffix(): string {
  return Array.from({ length: 5 }, () => NAME_CHARACTERS[Math.floor(Math.random() * NAME_CHARACTERS.length)]).join('');
}
