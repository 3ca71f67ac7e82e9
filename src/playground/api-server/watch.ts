// Watch streams: changes as JSON lines, from a revision that the bounded log still reaches, with bookmarks and selectors.

import type { ServerResponse } from 'node:http';
import type { KubeObject } from './object';
import { apiVersionOf, storageKey, type ResourceType } from './resources';
import { isTrue } from './routing';
import { selectorOf } from './selectors';
import { badRequest, expired, invalid, forbiddenValue } from './status';
import type { Store, StoreEvent } from './store';

const BOOKMARK_INTERVAL_MS = 60_000;
const DEFAULT_TIMEOUT_SECONDS = 1800;

/** Where a watch looks. */
export interface WatchScope {
  readonly type: ResourceType;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly query: URLSearchParams;
}

/** Streams changes until the time is up, the client leaves, or the returned function is called. */
export function streamWatch(store: Store, scope: WatchScope, response: ServerResponse): () => void {
  const { type, namespace, name, query } = scope;
  if (query.has('sendInitialEvents')) {
    const why = 'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled';
    throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [forbiddenValue('sendInitialEvents', why)]);
  }
  const selects = selectorOf(type, query);
  const key = storageKey(type);
  const isMeant = (object: KubeObject): boolean =>
    (namespace === undefined || type.plural === 'namespaces' || object.metadata.namespace === namespace) &&
    (name === undefined || object.metadata.name === name) &&
    selects(object);
  const send = (kind: string, object: unknown): void => void response.write(`${JSON.stringify({ type: kind, object })}\n`);
  const forward = (event: StoreEvent): void => {
    if (event.key !== key) return;
    const kind = eventFor(event, isMeant);
    // An object that left the selection is shown as it was, under the revision at which it left.
    const shown =
      kind !== 'DELETED' || event.type === 'DELETED' ? event.object : withRevision(event.previous ?? event.object, event.revision);
    if (kind !== undefined) send(kind, inVersion(type, shown));
  };

  const from = query.get('resourceVersion') ?? '';
  if (!/^\d*$/.test(from))
    throw badRequest(`Invalid value: ${JSON.stringify(from)}: strconv.ParseUint: parsing ${JSON.stringify(from)}: invalid syntax`);
  const missed = from === '' || from === '0' ? undefined : store.since(key, Number(from));
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  if (missed !== undefined) missed.forEach(forward);
  else if (from === '' || from === '0')
    store
      .list(type)
      .filter(isMeant)
      .forEach((object) => send('ADDED', inVersion(type, object)));
  else {
    send('ERROR', expired(`too old resource version: ${from} (${store.revision})`).toStatus());
    response.end();
    return () => undefined;
  }

  const bookmark = (): void => {
    if (!isTrue(query.get('allowWatchBookmarks'))) return;
    const metadata = { resourceVersion: String(store.revision), creationTimestamp: null };
    send('BOOKMARK', { kind: type.kind, apiVersion: apiVersionOf(type), metadata });
  };
  const unsubscribe = store.subscribe((event) => {
    if (event.revision > Number(from)) forward(event);
  });
  const bookmarks = setInterval(bookmark, BOOKMARK_INTERVAL_MS);
  const timeout = setTimeout(
    () => {
      bookmark();
      response.end();
      stop();
    },
    (Number(query.get('timeoutSeconds')) || DEFAULT_TIMEOUT_SECONDS) * 1000,
  );
  const stop = (): void => {
    unsubscribe();
    clearInterval(bookmarks);
    clearTimeout(timeout);
  };
  response.once('close', stop);
  return () => {
    stop();
    response.end();
  };
}

/** What a change means to a watch whose selection an object may enter or leave. */
function eventFor(event: StoreEvent, isMeant: (object: KubeObject) => boolean): StoreEvent['type'] | undefined {
  const was = event.previous !== undefined && isMeant(event.previous);
  const is = event.type !== 'DELETED' && isMeant(event.object);
  if (was && is) return 'MODIFIED';
  return is ? 'ADDED' : was ? 'DELETED' : undefined;
}

function withRevision(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

/** The object in the version that was asked for: all versions of a resource are stored alike. */
export function inVersion(type: ResourceType, object: KubeObject): KubeObject {
  const apiVersion = apiVersionOf(type);
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}
