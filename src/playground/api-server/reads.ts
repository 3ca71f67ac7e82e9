// GET of one object and of lists: selectors, and paging over a snapshot so that pages belong together.

import type { ClusterState } from './cluster-state';
import type { JsonObject, KubeObject } from './object';
import { apiVersionOf, type ResourceType } from './resources';
import { selectorOf } from './selectors';
import { badRequest, expired, notFound, StatusError } from './status';
import { inVersion } from './watch';

/** @throws StatusError 404 */
export function getObject(cluster: ClusterState, type: ResourceType, namespace: string | undefined, name: string): KubeObject {
  const object = cluster.store.get(type, type.namespaced ? namespace : undefined, name);
  if (object === undefined) throw notFound(type, name);
  return inVersion(type, object);
}

/** A list as the API shows it; items of built-in kinds go without `kind` and `apiVersion`. */
export function listObjects(cluster: ClusterState, type: ResourceType, namespace: string | undefined, query: URLSearchParams): JsonObject {
  checkRevision(cluster, query);
  const token = query.get('continue') ?? '';
  const limit = Number(query.get('limit') ?? 0);
  if (!Number.isInteger(limit) || limit < 0) throw badRequest('limit must be a whole number that is not negative');
  const { revision, objects } =
    token === ''
      ? { revision: cluster.store.revision, objects: selectObjects(cluster, type, namespace, query) }
      : cluster.snapshots.get(token);
  const page = limit === 0 ? objects : objects.slice(0, limit);
  const rest = objects.slice(page.length);
  const metadata: JsonObject = { resourceVersion: String(revision) };
  if (rest.length > 0) {
    metadata['continue'] = cluster.snapshots.keep({ revision, objects: rest });
    if (!query.has('labelSelector') && !query.has('fieldSelector')) metadata['remainingItemCount'] = rest.length;
  }
  return listOf(type, page, metadata);
}

/** The objects that a list or deletecollection means. */
export function selectObjects(
  cluster: ClusterState,
  type: ResourceType,
  namespace: string | undefined,
  query: URLSearchParams,
): KubeObject[] {
  const selects = selectorOf(type, query);
  return cluster.store.list(type, type.namespaced ? namespace : undefined).filter(selects);
}

/** Objects as the body of a list. */
export function listOf(type: ResourceType, objects: readonly KubeObject[], metadata: JsonObject): JsonObject {
  const items = objects.map((object) => {
    if (type.schema !== undefined) return inVersion(type, object);
    const { kind: _kind, apiVersion: _version, ...content } = object;
    return content;
  });
  return { kind: `${type.kind}List`, apiVersion: apiVersionOf(type), metadata, items };
}

/** Only the present can be listed: the past is forgotten, and nobody waits for the future. */
function checkRevision(cluster: ClusterState, query: URLSearchParams): void {
  const asked = query.get('resourceVersion') ?? '';
  const current = cluster.store.revision;
  if (Number(asked) > current) {
    throw new StatusError(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    });
  }
  if (query.get('resourceVersionMatch') === 'Exact' && Number(asked) !== current) {
    throw expired(`The resourceVersion for the provided list is too old: ${asked} (${current})`);
  }
}
