// The cluster's state: objects by resource, one revision counter, and a bounded log of changes for watches to resume from.

import type { KubeObject } from './object';
import { storageKey, type ResourceType } from './resources';

type Key = Pick<ResourceType, 'group' | 'plural'>;

/** One change; `previous` is the object before it. */
export interface StoreEvent {
  readonly revision: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly key: string;
  readonly object: KubeObject;
  readonly previous?: KubeObject;
}

/** Objects in memory. Stored objects are shared and must not be changed. */
export class Store {
  private readonly objects = new Map<string, Map<string, KubeObject>>();
  private readonly listeners = new Set<(event: StoreEvent) => void>();
  private log: StoreEvent[] = [];
  private counter = 1;
  private forgotten = 0;

  constructor(private readonly window: number) {}

  /** The revision of the latest change. */
  get revision(): number {
    return this.counter;
  }

  get(type: Key, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.objects.get(storageKey(type))?.get(nameKey(namespace, name));
  }

  /** A resource's objects, of one namespace or of all, ordered by namespace and name. */
  list(type: Key, namespace?: string): KubeObject[] {
    const entries = [...(this.objects.get(storageKey(type)) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
    return entries.map(([, object]) => object).filter((object) => namespace === undefined || object.metadata.namespace === namespace);
  }

  /** Every object with its resource's key. */
  *all(): Generator<readonly [string, KubeObject]> {
    for (const [key, objects] of this.objects) for (const object of objects.values()) yield [key, object];
  }

  /** Writes the object under the next revision and returns it as stored. */
  put(type: Key, object: KubeObject): KubeObject {
    const key = storageKey(type);
    const objects = this.objects.get(key) ?? new Map<string, KubeObject>();
    this.objects.set(key, objects);
    const name = nameKey(object.metadata.namespace, object.metadata.name);
    const previous = objects.get(name);
    const revision = ++this.counter;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    objects.set(name, stored);
    this.publish({ revision, type: previous === undefined ? 'ADDED' : 'MODIFIED', key, object: stored, ...(previous && { previous }) });
    return stored;
  }

  /** Removes the object; the event carries its last state under the revision of its removal. */
  remove(type: Key, object: KubeObject): KubeObject {
    const key = storageKey(type);
    const name = nameKey(object.metadata.namespace, object.metadata.name);
    const previous = this.objects.get(key)?.get(name);
    this.objects.get(key)?.delete(name);
    const revision = ++this.counter;
    const removed = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    this.publish({ revision, type: 'DELETED', key, object: removed, ...(previous && { previous }) });
    return removed;
  }

  /** A resource's changes after a revision; `undefined` when some of them are forgotten. */
  since(key: string, revision: number): StoreEvent[] | undefined {
    if (revision < this.forgotten) return undefined;
    return this.log.filter((event) => event.key === key && event.revision > revision);
  }

  /** Calls back for every change from now on; returns the way to stop. */
  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private publish(event: StoreEvent): void {
    this.log.push(event);
    if (this.log.length > 2 * this.window) {
      this.log = this.log.slice(-this.window);
      this.forgotten = (this.log[0]?.revision ?? 1) - 1;
    }
    for (const listener of [...this.listeners]) listener(event);
  }
}

function nameKey(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`;
}
