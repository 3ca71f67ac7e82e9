// One kind of ClusterLink's resources as its control plane sees them. A single object that it cannot decode blinds it to every
// change of that kind until the object is gone. Source: seen with ClusterLink v0.4.1 and ports outside of 0–65535.
import type { KubeObject } from '../../kubernetes/kube-object';
import type { ChangeListener } from '../informer';
import { type Informer, keyOf } from '../informer';

/** An informer's objects, as of the last moment when all of them could be decoded. */
export class DecodedView<T extends KubeObject> {
  private readonly seen = new Map<string, T>();
  private readonly poison = new Set<string>();
  private readonly listeners = new Set<ChangeListener<T>>();

  constructor(
    private readonly informer: Informer<T>,
    decodable: (object: T) => boolean,
    onPoison: (object: T) => void,
  ) {
    informer.onChange((object, gone) => {
      const key = keyOf(object);
      const wasBlind = this.blind;
      if (gone || decodable(object)) this.poison.delete(key);
      else if (!this.poison.has(key)) {
        this.poison.add(key);
        onPoison(object);
      }
      if (this.blind) return;
      if (wasBlind) this.catchUp();
      else this.show(object, gone);
    });
  }

  /** Whether an undecodable object hides every change. */
  get blind(): boolean {
    return this.poison.size > 0;
  }

  get(key: string): T | undefined {
    return this.seen.get(key);
  }

  list(namespace?: string): T[] {
    return [...this.seen.values()].filter((object) => namespace === undefined || object.metadata.namespace === namespace);
  }

  /** Calls the listener for every object in view, and then at every change, until the returned function is called. */
  onChange(listener: ChangeListener<T>): () => void {
    this.listeners.add(listener);
    for (const object of this.seen.values()) listener(object, false);
    return () => this.listeners.delete(listener);
  }

  private catchUp(): void {
    for (const object of this.list()) if (this.informer.get(keyOf(object)) === undefined) this.show(object, true);
    for (const object of this.informer.list()) if (this.seen.get(keyOf(object)) !== object) this.show(object, false);
  }

  private show(object: T, gone: boolean): void {
    if (gone) this.seen.delete(keyOf(object));
    else this.seen.set(keyOf(object), object);
    for (const listener of this.listeners) listener(object, gone);
  }
}
