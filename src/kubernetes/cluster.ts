// The client of one cluster: typed create, read, replace, apply, patch, delete, list and watch over plain objects.
// Transport, credentials and error mapping live in their own files; this one only speaks the Kubernetes API.
import { isIn, isKubeObject, isObjectOf, isWatchEvent, readJsonObject } from './answer';
import type { KubeObject, ObjectRef } from './kube-object';
import { refOf } from './kube-object';
import type { KindRef } from './resource-path';
import { collectionPath, objectPath } from './resource-path';
import { canonicalJson } from './digest';
import { garbledError, isObjectMissing, isResourceMissing, type Subject, watchError } from './kubernetes-errors';
import type { Connection } from './transport';

/** The field manager of everything this project applies. */
const FIELD_MANAGER = 'skyfabric';

/** A million objects; a list that goes on is no list. */
const MOST_PAGES = 2_000;
const PAGE_SIZE = 500;
/** All pages together, in characters. */
const LONGEST_LIST = 256 * 1024 * 1024;
/** A watch is asked for this long, then resumed: what a silently dead connection can cost at most. */
const WATCH_SECONDS = 30;
/** How much longer than asked the server may take to end a watch. */
const WATCH_GRACE_MS = 5_000;

/** Which objects to list or watch; selectors in Kubernetes' own string form. */
export interface ListQuery extends KindRef {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListResult<T extends KubeObject> {
  readonly items: readonly T[];
  /** Where a watch of the same query goes on. */
  readonly resourceVersion: string;
}

/** A change seen by a watch; of a bookmark only `metadata.resourceVersion` means anything. */
export interface WatchEvent<T extends KubeObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

export interface ApplyOptions {
  /** Takes over fields that another manager set; without it they are a `conflict`. Default true. */
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DeleteOptions {
  /** Deletes only this very object, not a later one of the same name. */
  readonly uid?: string | undefined;
  /** Deletes only if nobody changed the object since. */
  readonly resourceVersion?: string | undefined;
  /** Default `Background`: what the object owns goes too. */
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Which part of which log. */
export interface PodLogQuery {
  readonly container: string;
  /** The log of the container before its last restart. */
  readonly previous?: boolean;
  readonly tailLines: number;
  /** Of these lines at most so many bytes, from the first of them on. */
  readonly limitBytes: number;
}

/** A request in the API's own terms. */
export interface RawRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  /** What the request is about, for messages. */
  readonly about: Subject;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A cluster's API server.
 * Every method may throw `unreachable`, `unavailable`, `forbidden`, `invalid`; an aborted one throws the signal's reason.
 */
export class Cluster {
  constructor(
    /** The kubeconfig context this client speaks for. */
    readonly context: string,
    private readonly transport: Connection,
  ) {}

  /** `host:port` of the API server. */
  get server(): string {
    return this.transport.server;
  }

  /** Sends one request and returns the answer's JSON and HTTP status. */
  async request<T>(request: RawRequest): Promise<{ readonly status: number; readonly body: T }> {
    const { status, text } = await this.transport.send(request);
    return { status, body: this.parse<T>(text, request.about) };
  }

  /** Sends a request that is answered with the object itself. */
  private async requestObject<T extends KubeObject>(request: RawRequest, ref: ObjectRef): Promise<T> {
    const { body } = await this.request<T>(request);
    if (!isObjectOf(body, ref)) throw garbledError(ref, this.server);
    return body;
  }

  /** Reads an object; `undefined` when there is none. @throws not_found when the cluster does not know the kind (`isResourceMissing`) */
  async get<T extends KubeObject>(ref: ObjectRef, signal?: AbortSignal): Promise<T | undefined> {
    try {
      return await this.requestObject<T>({ method: 'GET', path: objectPath(ref), about: ref, signal }, ref);
    } catch (error) {
      if (isObjectMissing(error)) return undefined;
      throw error;
    }
  }

  /** Lists all matching objects, page by page. @throws not_found when the cluster does not know the kind */
  async list<T extends KubeObject>(query: ListQuery, signal?: AbortSignal): Promise<ListResult<T>> {
    const items: T[] = [];
    let token: string | undefined;
    let length = 0;
    for (let page = 1; ; page += 1) {
      const { text } = await this.transport.send({
        method: 'GET',
        path: collectionPath(query),
        query: { labelSelector: query.labelSelector, fieldSelector: query.fieldSelector, limit: String(PAGE_SIZE), continue: token },
        about: query,
        signal,
      });
      length += text.length;
      const body = this.parse<Partial<Page<T>>>(text, query);
      if (!isPage(body, query) || page > MOST_PAGES || length > LONGEST_LIST) throw garbledError(query, this.server);
      // Items of a list come without the two fields that every object on its own has.
      for (const item of body.items) items.push({ ...item, apiVersion: query.apiVersion, kind: query.kind });
      if (token !== undefined && body.metadata.continue === token) throw garbledError(query, this.server);
      token = body.metadata.continue;
      if (token === undefined || token === '') return { items, resourceVersion: body.metadata.resourceVersion };
    }
  }

  /** As `list`; nothing where the cluster does not know the kind. */
  async listIfKnown<T extends KubeObject>(query: ListQuery, signal?: AbortSignal): Promise<readonly T[]> {
    try {
      return (await this.list<T>(query, signal)).items;
    } catch (error) {
      if (isResourceMissing(error)) return [];
      throw error;
    }
  }

  /** Creates an object. @throws conflict when it exists (`isAlreadyExists`); pending when its namespace is being deleted */
  async create<T extends KubeObject>(object: T, signal?: AbortSignal): Promise<T> {
    const ref = refOf(object);
    const query = { fieldManager: FIELD_MANAGER };
    return this.requestObject<T>({ method: 'POST', path: collectionPath(ref), query, body: object, about: ref, signal }, ref);
  }

  /** Replaces an object; with its `resourceVersion`, only if nobody changed it since. @throws unavailable when somebody did (`isConflict`) */
  async replace<T extends KubeObject>(object: T, signal?: AbortSignal): Promise<T> {
    const ref = refOf(object);
    const query = { fieldManager: FIELD_MANAGER };
    return this.requestObject<T>({ method: 'PUT', path: objectPath(ref), query, body: object, about: ref, signal }, ref);
  }

  /** Applies an object server-side, and says whether anything changed by it. @throws conflict (only without `force`) */
  async apply<T extends KubeObject>(object: T, options: ApplyOptions = {}): Promise<{ readonly object: T; readonly changed: boolean }> {
    const { force = true, dryRun = false, signal } = options;
    const ref = refOf(object);
    const before = await this.get<T>(ref, signal);
    const request = {
      method: 'PATCH',
      path: objectPath(ref),
      query: { fieldManager: FIELD_MANAGER, force: String(force), dryRun: dryRun ? 'All' : undefined },
      body: object,
      contentType: 'application/apply-patch+yaml',
      about: ref,
      signal,
    } as const;
    const body = await this.requestObject<T>(request, ref);
    // A dry run stores nothing, so there the contents are compared instead of the versions.
    const changed = dryRun ? contentOf(before) !== contentOf(body) : before?.metadata.resourceVersion !== body.metadata.resourceVersion;
    return { object: body, changed };
  }

  /** Merges a patch (RFC 7396) into an object. @throws not_found */
  async patch<T extends KubeObject>(ref: ObjectRef, patch: object, signal?: AbortSignal): Promise<T> {
    return this.merge(ref, objectPath(ref), patch, signal);
  }

  /** Merges a patch (RFC 7396) into an object's status. @throws not_found */
  async patchStatus<T extends KubeObject>(ref: ObjectRef, patch: object, signal?: AbortSignal): Promise<T> {
    return this.merge(ref, `${objectPath(ref)}/status`, patch, signal);
  }

  private async merge<T extends KubeObject>(ref: ObjectRef, path: string, patch: object, signal: AbortSignal | undefined): Promise<T> {
    const query = { fieldManager: FIELD_MANAGER };
    const contentType = 'application/merge-patch+json';
    return this.requestObject<T>({ method: 'PATCH', path, query, body: patch, contentType, about: ref, signal }, ref);
  }

  /** Deletes an object and does not wait for its finalizers; `false` when there was none. @throws unavailable when a precondition fails (`isConflict`) */
  async delete(ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    const { uid, resourceVersion, propagationPolicy = 'Background', signal } = options;
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy, preconditions: { uid, resourceVersion } };
    try {
      await this.request({ method: 'DELETE', path: objectPath(ref), body, about: ref, signal });
      return true;
    } catch (error) {
      if (isObjectMissing(error) || isResourceMissing(error)) return false;
      throw error;
    }
  }

  /**
   * Watches matching objects from a resource version on. Ends by itself after about half a minute; go on from the last version seen.
   * @throws unavailable when the version is too old (`isExpired`: list again); unreachable when the connection breaks
   */
  async *watch<T extends KubeObject>(query: ListQuery, resourceVersion: string, signal?: AbortSignal): AsyncGenerator<WatchEvent<T>, void> {
    const lines = this.transport.stream({
      method: 'GET',
      path: collectionPath(query),
      query: {
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion,
        labelSelector: query.labelSelector,
        fieldSelector: query.fieldSelector,
        timeoutSeconds: String(WATCH_SECONDS),
      },
      about: query,
      timeoutMs: WATCH_SECONDS * 1_000 + WATCH_GRACE_MS,
      signal,
    });
    for await (const line of lines) {
      const event = this.parse<WatchEvent<T> | { readonly type: 'ERROR'; readonly object: unknown }>(line, query);
      if (!isWatchEvent({ ...event })) throw garbledError(query, this.server);
      if (event.type === 'ERROR') throw watchError(query, this.server, event.object);
      yield event;
    }
  }

  /** Reads the end of a container's log, each line with its time. @throws not_found without such a pod; invalid when there is no such log */
  async podLog(ref: ObjectRef, log: PodLogQuery, signal?: AbortSignal): Promise<string> {
    const { container, previous = false, tailLines, limitBytes } = log;
    const query = {
      container,
      timestamps: 'true',
      previous: String(previous),
      tailLines: String(tailLines),
      limitBytes: String(limitBytes),
    };
    return (await this.transport.send({ method: 'GET', path: `${objectPath(ref)}/log`, query, about: ref, signal })).text;
  }

  private parse<T>(text: string, about: Subject): T {
    const body = readJsonObject(text);
    if (body === undefined) throw garbledError(about, this.server);
    return body as T;
  }

  /** Closes every connection. */
  close(): void {
    this.transport.close();
  }

  /** Lets running requests end, and keeps no connection afterwards. */
  retire(): void {
    this.transport.retire();
  }

  toString(): string {
    return `context ${this.context} (${this.server})`;
  }
}

function contentOf(object: KubeObject | undefined): string | undefined {
  if (object === undefined) return undefined;
  const { name, namespace, labels, annotations } = object.metadata;
  return canonicalJson({ ...object, metadata: { name, namespace, labels, annotations } });
}

interface Page<T> {
  readonly items: readonly T[];
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
}

/** Whether it is what an API server answers: objects with names, and the version of the list. */
function isPage<T extends KubeObject>(page: Partial<Page<T>>, { namespace }: ListQuery): page is Page<T> {
  const { items, metadata } = page;
  const { resourceVersion, continue: token } = (metadata ?? {}) as Readonly<Record<string, unknown>>;
  return (
    Array.isArray(items) &&
    items.every((item: unknown) => isKubeObject(item) && isIn(item, namespace)) &&
    typeof resourceVersion === 'string' &&
    (token === undefined || typeof token === 'string')
  );
}
