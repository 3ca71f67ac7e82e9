// Waiting for a state of the cluster: list, then watch from there, resumed after every drop, until it holds or time is up.
// Nothing polls; what is still missing is told while waiting and in the error at the end.
import { setTimeout as delay } from 'node:timers/promises';
import type { ErrorCode } from '../errors/fabric-error';
import { FabricError, isFabricError } from '../errors/fabric-error';
import type { Cluster, ListQuery } from './cluster';
import type { KubeObject, ObjectRef } from './kube-object';
import { describeRef } from './kube-object';
import { describeSubject, garbledError, isExpired } from './kubernetes-errors';

/** How often `onProgress` is called while nothing changes: well under any heartbeat timeout. */
const PROGRESS_EVERY_MS = 5_000;
/** Pause before a broken watch is resumed; doubled for each failure in a row, up to the maximum. */
const RESUME_DELAY_MS = 100;
const MAX_RESUME_DELAY_MS = 3_000;
/** What is watched are the objects of one connection or gateway: more come from no API server that means well. */
const MOST_OBJECTS = 50_000;
/** A server's wish for a longer pause is not heeded: the wait would notice nothing until its end. */
const MAX_RETRY_AFTER_MS = 10_000;

interface WaitOptions {
  readonly timeoutMs: number;
  /** The code of the error at the deadline; default `unready`. */
  readonly code?: ErrorCode | undefined;
  readonly hint?: string | undefined;
  /** What the error at the deadline is about; default the object or query waited for. */
  readonly object?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told why it is not yet so, at each change and every 5 s: where an activity heartbeats. */
  readonly onProgress?: ((message: string) => void) | undefined;
}

export interface WatchUntilOptions<T extends KubeObject, R> extends WaitOptions {
  readonly query: ListQuery;
  /** The result once the state holds; `undefined` means not yet; a throw ends the wait with that error. */
  readonly until: (objects: readonly T[]) => R | undefined;
  /** Why it is not yet so, without a full stop at its end. */
  readonly describe: (objects: readonly T[]) => string;
}

export interface WatchObjectUntilOptions<T extends KubeObject, R> extends WaitOptions {
  readonly ref: ObjectRef;
  readonly until: (object: T | undefined) => R | undefined;
  readonly describe: (object: T | undefined) => string;
}

/** Waits until one object (or its absence) is as wanted. See `watchUntil`. */
export async function watchObjectUntil<T extends KubeObject, R>(cluster: Cluster, options: WatchObjectUntilOptions<T, R>): Promise<R> {
  const { ref, until, describe, ...rest } = options;
  return watchUntil<T, R>(cluster, {
    object: describeRef(ref),
    ...rest,
    query: { apiVersion: ref.apiVersion, kind: ref.kind, namespace: ref.namespace, fieldSelector: `metadata.name=${ref.name}` },
    until: ([object]) => until(object),
    describe: ([object]) => describe(object),
  });
}

/**
 * Waits until the matching objects are as wanted, and returns what `until` made of them. Failures of the first list are thrown at
 * once; afterwards an unreachable or overloaded API server is waited out.
 * @throws unready (or `code`) at the deadline, with `describe`'s words; the signal's reason when aborted; what `until` throws
 */
export async function watchUntil<T extends KubeObject, R>(cluster: Cluster, options: WatchUntilOptions<T, R>): Promise<R> {
  const { query, until, describe, timeoutMs, code = 'unready', hint, object = describeSubject(query), signal, onProgress } = options;
  signal?.throwIfAborted();
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const deadline = setTimeout(onAbort, timeoutMs);
  const objects = new Map<string, T>();
  let trouble = '';
  const explain = (): string => describe([...objects.values()]) + trouble;
  const progress = onProgress === undefined ? undefined : setInterval(() => onProgress(explain()), PROGRESS_EVERY_MS);
  try {
    const states = follow<T>(cluster, query, objects, stop.signal, (error) => {
      trouble = error === undefined ? '' : ` (${error.message})`;
    });
    for await (const state of states) {
      const result = until(state);
      if (result !== undefined) return result;
      onProgress?.(explain());
    }
    throw new FabricError({ code: 'internal', message: `The watch of ${describeSubject(query)} ended.` });
  } catch (error) {
    signal?.throwIfAborted();
    if (!stop.signal.aborted) throw error;
    const message = `Not so after ${timeoutMs / 1_000} s on ${cluster.toString()}: ${explain()}.`;
    throw new FabricError({ code, message, hint, object });
  } finally {
    clearTimeout(deadline);
    clearInterval(progress);
    signal?.removeEventListener('abort', onAbort);
    stop.abort();
  }
}

/** Yields the matching objects now and after each change, for ever; reports trouble with the connection, and its end. */
async function* follow<T extends KubeObject>(
  cluster: Cluster,
  query: ListQuery,
  objects: Map<string, T>,
  signal: AbortSignal,
  onTrouble: (error: FabricError | undefined) => void,
): AsyncGenerator<readonly T[], never> {
  let version: string | undefined;
  let listed = false;
  let failures = 0;
  for (;;) {
    try {
      if (version === undefined) {
        const list = await cluster.list<T>(query, signal);
        objects.clear();
        for (const object of list.items) objects.set(keyOf(object), object);
        version = list.resourceVersion;
        listed = true;
        onTrouble(undefined);
        yield [...objects.values()];
      }
      let quiet = true;
      for await (const { type, object } of cluster.watch<T>(query, version, signal)) {
        version = object.metadata.resourceVersion ?? version;
        failures = 0;
        quiet = false;
        onTrouble(undefined);
        if (type === 'BOOKMARK') continue;
        if (type === 'DELETED') objects.delete(keyOf(object));
        else objects.set(keyOf(object), object);
        if (objects.size > MOST_OBJECTS) throw garbledError(query, cluster.server);
        yield [...objects.values()];
      }
      // A proxy that ends every watch at once must not be asked without a pause.
      if (quiet) await delay(RESUME_DELAY_MS, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (isExpired(error)) {
        version = undefined;
        await delay(RESUME_DELAY_MS, undefined, { signal });
        continue;
      }
      if (!listed || !isFabricError(error) || !error.retryable) throw error;
      onTrouble(error);
      const backoffMs = Math.min(RESUME_DELAY_MS * 2 ** failures, MAX_RESUME_DELAY_MS);
      await delay(Math.max(backoffMs, Math.min(error.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)), undefined, { signal });
      failures += 1;
    }
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}
