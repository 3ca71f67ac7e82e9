// The agents' view of a cluster: a list that a watch keeps current, and a queue that works on one object at a time.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, ListQuery } from '../kubernetes/cluster';
import type { KubeObject } from '../kubernetes/kube-object';
import { isExpired, isResourceMissing } from '../kubernetes/kubernetes-errors';

const RETRY_MS = 100;
/** A kind whose definition is gone comes back seldom. */
const MISSING_RETRY_MS = 500;
const FIRST_BACKOFF_MS = 20;
const MAX_BACKOFF_MS = 1_000;

/** Names an object of one kind: `namespace/name`, or `/name` for cluster-wide kinds. */
export function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

/** Namespace and name of a key. */
export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Told of each change: the object as it is now, or its last state when it is gone. */
export type ChangeListener<T> = (object: T, gone: boolean) => void;

/** All objects of one kind, kept current by a watch that is resumed after every break. */
export class Informer<T extends KubeObject> {
  private readonly objects = new Map<string, T>();
  /** Uids of objects whose deletion the watch has told of. */
  private readonly departed = new Set<string>();
  private readonly listeners = new Set<ChangeListener<T>>();
  private readonly running: Promise<void>;
  /** Resolves when the first list is in, or when the signal is aborted before that. */
  readonly synced: Promise<void>;

  constructor(
    private readonly cluster: Cluster,
    private readonly query: ListQuery,
    private readonly signal: AbortSignal,
  ) {
    let markSynced = (): void => undefined;
    this.synced = new Promise((resolve) => (markSynced = resolve));
    this.running = this.run(markSynced).finally(markSynced);
  }

  get(key: string): T | undefined {
    return this.objects.get(key);
  }

  list(namespace?: string): T[] {
    const all = [...this.objects.values()];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  /** Calls the listener for every object there is, and then at every change, until the returned function is called. */
  onChange(listener: ChangeListener<T>): () => void {
    this.listeners.add(listener);
    for (const object of this.objects.values()) listener(object, false);
    return () => this.listeners.delete(listener);
  }

  /** Takes an object that was just created into view, before the watch tells of it; unless the watch has told of its deletion already. */
  remember(object: T): void {
    if (!this.objects.has(keyOf(object)) && !this.departed.has(object.metadata.uid ?? '')) this.set(object, false);
  }

  /** Takes an object out of view that the server does not have. */
  forget(key: string): void {
    const object = this.objects.get(key);
    if (object !== undefined) this.set(object, true);
  }

  /** Resolves when the watch has ended after its signal was aborted. */
  async stopped(): Promise<void> {
    await this.running;
  }

  private async run(markSynced: () => void): Promise<void> {
    let version: string | undefined;
    while (!this.signal.aborted) {
      try {
        version ??= await this.relist();
        markSynced();
        for await (const { type, object } of this.cluster.watch<T>(this.query, version, this.signal)) {
          version = object.metadata.resourceVersion ?? version;
          if (type !== 'BOOKMARK') this.set(object, type === 'DELETED');
        }
      } catch (error) {
        const missing = isResourceMissing(error);
        if (missing) for (const object of this.list()) this.set(object, true);
        if (missing || isExpired(error)) version = undefined;
        if (!isExpired(error))
          await sleep(missing ? MISSING_RETRY_MS : RETRY_MS, undefined, { signal: this.signal }).catch(() => undefined);
      }
    }
  }

  private async relist(): Promise<string> {
    const { items, resourceVersion } = await this.cluster.list<T>(this.query, this.signal);
    const seen = new Set(items.map(keyOf));
    for (const [key, object] of this.objects) if (!seen.has(key)) this.set(object, true);
    for (const object of items) this.set(object, false);
    return resourceVersion;
  }

  private set(object: T, gone: boolean): void {
    const key = keyOf(object);
    if (gone) {
      this.objects.delete(key);
      this.departed.add(object.metadata.uid ?? '');
    } else if (this.objects.get(key)?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    else this.objects.set(key, object);
    for (const listener of this.listeners) listener(object, gone);
  }
}

/** Works on keys: never twice at once on the same one, once more when it was added meanwhile, again later when the work failed. */
export class WorkQueue {
  private readonly states = new Map<string, 'running' | 'again'>();
  private readonly failures = new Map<string, number>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly work = new Set<Promise<void>>();
  private closed = false;

  constructor(private readonly reconcile: (key: string) => Promise<void>) {}

  add(key: string): void {
    if (this.closed) return;
    if (this.states.has(key)) {
      this.states.set(key, 'again');
      return;
    }
    const running = this.run(key);
    this.work.add(running);
    void running.then(() => this.work.delete(running));
  }

  addAfter(key: string, delayMs: number): void {
    if (this.closed) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.add(key);
    }, delayMs);
    this.timers.add(timer);
  }

  /** Takes no more work, and resolves when the running work has ended. */
  async close(): Promise<void> {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    await Promise.all(this.work);
  }

  private async run(key: string): Promise<void> {
    do {
      this.states.set(key, 'running');
      try {
        await this.reconcile(key);
        this.failures.delete(key);
      } catch {
        const failures = this.failures.get(key) ?? 0;
        this.failures.set(key, failures + 1);
        this.addAfter(key, Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures));
      }
    } while (this.states.get(key) === 'again' && !this.closed);
    this.states.delete(key);
  }
}
