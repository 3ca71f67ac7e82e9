// From an HTTP request to its answer: body, route, fault, identity, permission, and then the operation itself.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { authorize } from './access';
import type { Cluster } from './cluster';
import { discover } from './discovery';
import type { FaultRule } from './faults';
import { failure, readBody, send, tryDecode, type Answer } from './http';
import { objectAt, textAt } from './object';
import { operate, type Call } from './operations';
import { parseRoute, type ApiRequest } from './routing';
import { nameIn as selectedName } from './selectors';
import { conflict, internalError, noSuchResource, StatusError, unauthorized } from './status';

/** Answers one request; never throws. */
export async function handleRequest(cluster: Cluster, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const text = await readBody(request);
    const url = new URL(request.url ?? '/', 'https://cluster');
    const call: Call = { cluster, request, response, url, info: describeRequest(cluster.name, request, url, text), text };
    cluster.onRequest?.(call.info);
    const fault = cluster.faults?.take(call.info);
    if (fault === undefined) send(response, await answer(call));
    else await meetFault(call, fault, () => answer(call));
  } catch (error) {
    if (!response.headersSent && !response.destroyed) send(response, failure(error));
  }
}

/**
 * Lets a request meet its fault; `answer` carries it out.
 * @throws StatusError what is to be answered instead
 */
export async function meetFault(
  { response, info }: Pick<Call, 'response' | 'info'>,
  rule: FaultRule,
  answer: () => Promise<Answer | undefined>,
): Promise<void> {
  const delayMs = rule.delayMs ?? (rule.fault === 'slow' ? 1000 : 0);
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs).unref());
  const target = { group: info.group ?? '', plural: info.resource ?? '' };
  switch (rule.fault) {
    case 'slow':
      send(response, await answer());
      return;
    case 'hang':
      return;
    case 'reset':
      response.destroy();
      return;
    case 'error-before':
      throw internalError('injected fault: the request was not carried out');
    case 'error-after':
    case 'reset-after':
      await answer().catch(() => undefined);
      // A stream that has begun can only break off.
      if (rule.fault === 'error-after' && !response.headersSent) throw internalError('injected fault: the request was carried out');
      response.destroy();
      return;
    case 'conflict':
      throw conflict(target, info.name ?? '');
    case 'too-many': {
      const retryAfterSeconds = rule.retryAfterSeconds ?? 1;
      response.setHeader('retry-after', String(retryAfterSeconds));
      throw new StatusError(429, 'TooManyRequests', 'Too many requests, please try again later.', { retryAfterSeconds });
    }
    case 'server-error':
      throw new StatusError(503, 'ServiceUnavailable', 'the server is currently unable to handle the request');
  }
}

/** Carries the request out; `undefined` when the answer is a stream. */
async function answer(call: Call): Promise<Answer | undefined> {
  const { cluster, info, url, request } = call;
  const identity = cluster.identities.authenticate(request.headers.authorization);
  if (identity === undefined) throw unauthorized();
  const { group, version, resource } = info;
  if (group === undefined || version === undefined || resource === undefined) {
    const found = info.method === 'GET' ? discover(cluster.catalog, url.pathname) : undefined;
    return found === undefined ? pageNotFound() : { code: 200, body: found };
  }
  const type = cluster.catalog.find(group, version, resource);
  // The name of a create is only in its body, where no rule can see it.
  const { verb, namespace, subresource } = info;
  // Everybody may ask about themselves (ClusterRole system:basic-user).
  const name = verb === 'create' ? undefined : (info.name ?? selectedName(url.searchParams));
  if (type?.reviewOnly !== true) authorize(identity, { verb, group, resource, subresource, namespace, name });
  if (type === undefined) {
    if (isBuiltIn(cluster, group, version)) throw noSuchResource();
    return pageNotFound();
  }
  if (info.namespace !== undefined && resource !== 'namespaces' && !type.namespaced) throw noSuchResource();
  if (type.namespaced && namespace === undefined && verb !== 'list' && verb !== 'watch') {
    // The handler of custom resources passes on what is outside its scope, and nobody else knows it.
    if (type.schema !== undefined) return pageNotFound();
    if (info.name !== undefined && verb !== 'create') throw noSuchResource();
  }
  return operate(call, type, identity);
}

function isBuiltIn(cluster: Cluster, group: string, version: string): boolean {
  return cluster.catalog.all().some((type) => type.schema === undefined && type.group === group && type.version === version);
}

// Groups that nobody serves fall through to Go's own not-found handler, which knows no Status.
function pageNotFound(): Answer {
  return { code: 404, body: '404 page not found\n' };
}

/** A request as rules match it: to which server, by whom, for what. */
export function describeRequest(server: string, request: Pick<IncomingMessage, 'method' | 'headers'>, url: URL, text: string): ApiRequest {
  const method = request.method ?? 'GET';
  const route = parseRoute(method, url);
  const bodyName = route.verb === 'create' && route.name === undefined ? nameIn(text) : '';
  return {
    server,
    method,
    path: url.pathname + url.search,
    userAgent: request.headers['user-agent'] ?? '',
    ...route,
    ...(bodyName === '' ? {} : { name: bodyName }),
  };
}

function nameIn(text: string): string {
  const metadata = objectAt(tryDecode(text), 'metadata');
  return textAt(metadata, 'name') || textAt(metadata, 'generateName');
}
