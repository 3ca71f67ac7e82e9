// What each verb does on a resource.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { review, type Identity } from './access';
import type { Cluster } from './cluster';
import { deleteObject } from './deletion';
import { contentType, parseBody, parseJson, parseObject, tryDecode, type Answer } from './http';
import { nodePortsNeeded } from './kinds/service';
import { mergeShapeOf } from './merge-shape';
import type { JsonObject } from './object';
import { jsonPatch, mergePatch, strategicMerge } from './patch';
import { getObject, listObjects, listOf, selectObjects } from './reads';
import type { ResourceType } from './resources';
import { isTrue, type ApiRequest } from './routing';
import { forbidden, forbiddenValue, invalid, methodNotAllowed, noSuchResource, unsupportedMediaType } from './status';
import { inVersion, streamWatch } from './watch';
import { applyObject, createObject, patchObject, replaceObject, type WriteCall, type Written } from './writes';

/** `pods/log` answers with this annotation of the pod: no container runs that could write one. */
const POD_LOG_ANNOTATION = 'playground.skyfabric.io/log';

/** A request with everything that was read from it. */
export interface Call {
  readonly cluster: Cluster;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly info: ApiRequest;
  readonly text: string;
}

/** Carries out a request on a resource; `undefined` when the answer is a stream. */
export async function operate(call: Call, type: ResourceType, identity: Identity): Promise<Answer | undefined> {
  const { cluster, info, url, response, request } = call;
  const { namespace, name, subresource, verb } = info;
  if (type.reviewOnly) {
    if (verb !== 'create') throw methodNotAllowed();
    return { code: 201, body: review(identity, type, parseBody(call.request, call.text)) };
  }
  checkSubresource(type, subresource);
  const isWrite = verb === 'create' || verb === 'update' || verb === 'patch';
  if (isWrite && type.namespaced && namespace === undefined) throw methodNotAllowed();
  if (verb === 'create' && isTerminating(cluster, type)) {
    throw forbidden(type, name ?? '', 'create not allowed while custom resource definition is terminating');
  }
  // Ports are probed before the write; from here to the write nothing waits, so no other request can take them.
  if (isWrite && type.kind === 'Service' && type.group === '') await cluster.addresses.reserveNodePorts(portsFor(call));
  const isDryRun = url.searchParams.get('dryRun') === 'All';
  const write: WriteCall = {
    type,
    identity,
    namespace: type.namespaced ? namespace : undefined,
    dryRun: isDryRun,
    manager: url.searchParams.get('fieldManager') ?? (isApply(request) ? '' : (info.userAgent.split('/')[0] ?? '')),
    ...(subresource === undefined ? {} : { subresource }),
  };
  switch (verb) {
    case 'get':
      return { code: 200, body: subresource === 'log' ? podLog(call) : getObject(cluster, type, namespace, name ?? '') };
    case 'list':
      return { code: 200, body: listObjects(cluster, type, namespace, url.searchParams) };
    case 'watch': {
      const end = streamWatch(
        cluster.store,
        { type, namespace: type.namespaced ? namespace : undefined, name, query: url.searchParams },
        response,
      );
      cluster.openWatches.add(end);
      response.once('close', () => cluster.openWatches.delete(end));
      return undefined;
    }
    case 'create':
      if (name !== undefined && !url.pathname.endsWith(`/${type.plural}`)) throw methodNotAllowed();
      return written(type, createObject(cluster, write, parseBody(call.request, call.text)));
    case 'update':
      if (name === undefined || subresource === 'log') throw methodNotAllowed();
      return written(type, replaceObject(cluster, write, name, parseBody(call.request, call.text)));
    case 'patch':
      if (name === undefined || subresource === 'log') throw methodNotAllowed();
      return written(type, patch(call, write, name));
    case 'delete':
      if (name === undefined || subresource !== undefined) throw methodNotAllowed();
      return remove(call, type, name, isDryRun);
    case 'deletecollection':
      if (type.plural === 'namespaces' || (type.namespaced && namespace === undefined)) throw methodNotAllowed();
      return removeAll(call, type, isDryRun);
    default:
      throw methodNotAllowed();
  }
}

function checkSubresource(type: ResourceType, subresource: string | undefined): void {
  if (subresource === undefined || (subresource === 'status' && type.status)) return;
  if (subresource === 'log' && type.plural === 'pods' && type.group === '') return;
  throw noSuchResource();
}

function isTerminating(cluster: Cluster, type: ResourceType): boolean {
  if (type.schema === undefined) return false;
  const definitions = { group: 'apiextensions.k8s.io', plural: 'customresourcedefinitions' };
  return cluster.store.get(definitions, undefined, `${type.plural}.${type.group}`)?.metadata.deletionTimestamp !== undefined;
}

/** The most node ports that a write to a Service can need: those of the body and of the live object. */
function portsFor({ cluster, info, text }: Call): number {
  const live = cluster.store.get({ group: '', plural: 'services' }, info.namespace, info.name ?? '');
  const body = tryDecode(text);
  // A JSON patch may add a port with each of its operations.
  return nodePortsNeeded(live) + (Array.isArray(body) ? body.length : nodePortsNeeded(body));
}

function podLog({ cluster, info }: Call): string {
  const type = cluster.catalog.find('', 'v1', 'pods');
  if (type === undefined) throw noSuchResource();
  return getObject(cluster, type, info.namespace, info.name ?? '').metadata.annotations?.[POD_LOG_ANNOTATION] ?? '';
}

function written(type: ResourceType, { object, created }: Written): Answer {
  return { code: created ? 201 : 200, body: inVersion(type, object) };
}

function isApply(request: IncomingMessage): boolean {
  return contentType(request) === 'application/apply-patch+yaml';
}

function patch(call: Call, write: WriteCall, name: string): Written {
  const { cluster, request, text, url } = call;
  const { type } = write;
  const force = isTrue(url.searchParams.get('force'));
  if (isApply(request)) return applyObject(cluster, write, name, parseObject(text), force);
  if (force) {
    throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
      forbiddenValue('force', 'may not be specified for non-apply patch'),
    ]);
  }
  const shape = mergeShapeOf(type);
  switch (contentType(request)) {
    case 'application/merge-patch+json': {
      const body = parseObject(text);
      return patchObject(cluster, write, name, (live) => mergePatch(inVersion(type, live), body));
    }
    case 'application/json-patch+json':
      return patchObject(cluster, write, name, (live) => jsonPatch(inVersion(type, live), parseJson(text)));
    case 'application/strategic-merge-patch+json':
      if (type.schema === undefined) {
        const body = parseObject(text);
        return patchObject(cluster, write, name, (live) => strategicMerge(live, body, shape));
      }
  }
  const accepted = ['application/json-patch+json', 'application/merge-patch+json', 'application/apply-patch+yaml'];
  throw unsupportedMediaType(type.schema === undefined ? [...accepted, 'application/strategic-merge-patch+json'] : accepted);
}

function deleteOptions({ text, url }: Call): JsonObject {
  const options = text.trim() === '' ? {} : parseObject(text);
  const grace = url.searchParams.get('gracePeriodSeconds');
  const policy = url.searchParams.get('propagationPolicy');
  const orphan = url.searchParams.get('orphanDependents');
  return {
    ...(grace === null ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(policy === null ? {} : { propagationPolicy: policy }),
    ...(orphan === null ? {} : { orphanDependents: isTrue(orphan) }),
    ...options,
  };
}

function isDryDelete(options: JsonObject, isDryRun: boolean): boolean {
  return isDryRun || (Array.isArray(options['dryRun']) && options['dryRun'].includes('All'));
}

function remove(call: Call, type: ResourceType, name: string, isDryRun: boolean): Answer {
  const options = deleteOptions(call);
  const live = getObject(call.cluster, type, call.info.namespace, name);
  const { object, gone } = deleteObject(call.cluster, type, live, options, isDryDelete(options, isDryRun));
  if (!gone || type.returnsDeleted) return { code: 200, body: inVersion(type, object) };
  const details = { name, ...(type.group === '' ? {} : { group: type.group }), kind: type.plural, uid: object.metadata.uid };
  return { code: 200, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details } };
}

function removeAll(call: Call, type: ResourceType, isDryRun: boolean): Answer {
  const options = deleteOptions(call);
  const objects = selectObjects(call.cluster, type, call.info.namespace, call.url.searchParams);
  const deleted = objects.map((object) => deleteObject(call.cluster, type, object, options, isDryDelete(options, isDryRun)).object);
  return { code: 200, body: listOf(type, deleted, { resourceVersion: String(call.cluster.store.revision) }) };
}
