// The controllers that every cluster has and that clients rely on: namespaces, custom resource definitions, garbage collection.
// They look at the whole state after changes that may concern them, so that no event can be missed.

import { randomUUID } from 'node:crypto';
import type { ClusterState } from './cluster-state';
import { deleteObject, FOREGROUND_FINALIZER, ORPHAN_FINALIZER, type Propagation } from './deletion';
import { CLEANUP_FINALIZER, resourcesOf } from './kinds/definition';
import { isSameJson, objectAt, objectsAt, textAt, type JsonObject, type KubeObject } from './object';
import { BUILT_IN_RESOURCES, storageKey, type ResourceType } from './resources';
import type { StoreEvent } from './store';

function builtIn(kind: string): ResourceType {
  const type = BUILT_IN_RESOURCES.find((candidate) => candidate.kind === kind);
  if (type === undefined) throw new Error(`no built-in kind ${kind}`);
  return type;
}

const NAMESPACE = builtIn('Namespace');
const DEFINITION = builtIn('CustomResourceDefinition');
const SERVICE = builtIn('Service');
const WATCHED = [NAMESPACE, DEFINITION, SERVICE].map(storageKey);

export class Controllers {
  private readonly unsubscribe: () => void;
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private pass: NodeJS.Immediate | undefined;

  constructor(private readonly cluster: ClusterState) {
    this.unsubscribe = cluster.store.subscribe((event) => {
      if (this.pass !== undefined || !mayConcern(event)) return;
      this.pass = setImmediate(() => {
        this.pass = undefined;
        this.reconcile();
      });
    });
  }

  close(): void {
    this.unsubscribe();
    if (this.pass !== undefined) clearImmediate(this.pass);
    for (const timer of this.timers.values()) clearTimeout(timer);
  }

  private reconcile(): void {
    const { store, addresses } = this.cluster;
    addresses.keepOnly(store.list(SERVICE));
    for (const namespace of store.list(NAMESPACE)) this.reconcileNamespace(namespace);
    for (const definition of store.list(DEFINITION)) this.reconcileDefinition(definition);
    this.collectGarbage();
  }

  private reconcileNamespace(namespace: KubeObject): void {
    const { store } = this.cluster;
    const { name } = namespace.metadata;
    if (namespace.metadata.deletionTimestamp === undefined) {
      this.ensureIn(name, builtIn('ServiceAccount'), 'default', {});
      this.ensureIn(name, builtIn('ConfigMap'), 'kube-root-ca.crt', { data: { 'ca.crt': '' } });
      return;
    }
    for (const [key, object] of [...store.all()]) {
      const type = object.metadata.namespace === name ? this.cluster.catalog.byKey(key) : undefined;
      if (type !== undefined && object.metadata.deletionTimestamp === undefined)
        deleteObject(this.cluster, type, object, { propagationPolicy: 'Background' });
    }
    const left = [...store.all()].filter(([, object]) => object.metadata.namespace === name);
    if (left.length === 0) {
      if ((namespace.metadata.finalizers ?? []).length === 0) store.remove(NAMESPACE, namespace);
      else this.write(NAMESPACE, { ...namespace, spec: {} });
      return;
    }
    const finalizers = [...new Set(left.flatMap(([, object]) => object.metadata.finalizers ?? []))];
    const conditions: JsonObject[] = [
      condition('NamespaceContentRemaining', 'SomeResourcesRemain', `${left.length} resource instances remain`),
    ];
    if (finalizers.length > 0) {
      const message = `Some content in the namespace has finalizers remaining: ${finalizers.join(', ')}`;
      conditions.push(condition('NamespaceFinalizersRemaining', 'SomeFinalizersRemain', message));
    }
    this.write(NAMESPACE, { ...namespace, status: { ...objectAt(namespace, 'status'), conditions } });
  }

  /** What the controllers of a real cluster put into every namespace. */
  private ensureIn(namespace: string, type: ResourceType, name: string, content: JsonObject): void {
    const { store } = this.cluster;
    if (store.get(type, namespace, name) !== undefined) return;
    const metadata = { name, namespace, uid: randomUUID(), resourceVersion: '', creationTimestamp: this.cluster.timestamp() };
    store.put(type, { kind: type.kind, apiVersion: 'v1', metadata, ...content });
  }

  private reconcileDefinition(definition: KubeObject): void {
    const { catalog, store, establishDelayMs } = this.cluster;
    const { name } = definition.metadata;
    if (definition.metadata.deletionTimestamp !== undefined) {
      this.terminateDefinition(definition);
    } else if (isEstablished(definition)) {
      catalog.serve(name, resourcesOf(definition));
    } else if (!this.timers.has(definition.metadata.uid)) {
      const establish = (): void => {
        const current = store.get(DEFINITION, undefined, name);
        if (current === undefined || current.metadata.uid !== definition.metadata.uid || current.metadata.deletionTimestamp !== undefined)
          return;
        catalog.serve(name, resourcesOf(current));
        this.setEstablished(current);
      };
      this.timers.set(definition.metadata.uid, setTimeout(establish, establishDelayMs));
    }
  }

  private setEstablished(definition: KubeObject): void {
    const since = { lastTransitionTime: this.cluster.timestamp() };
    const conditions = [
      { ...condition('NamesAccepted', 'NoConflicts', 'no conflicts found'), ...since },
      { ...condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'), ...since },
    ];
    const stored = objectsAt(definition, 'spec', 'versions').filter((version) => version['storage'] === true);
    const status = {
      conditions,
      acceptedNames: objectAt(definition, 'spec', 'names'),
      storedVersions: stored.map((version) => version['name']),
    };
    this.write(DEFINITION, { ...definition, status });
  }

  private terminateDefinition(definition: KubeObject): void {
    const { catalog, store } = this.cluster;
    const type = { group: textAt(definition, 'spec', 'group'), plural: textAt(definition, 'spec', 'names', 'plural') };
    const served = catalog.byKey(storageKey(type));
    for (const object of store.list(type)) {
      if (served !== undefined && object.metadata.deletionTimestamp === undefined) deleteObject(this.cluster, served, object, {});
    }
    if (store.list(type).length > 0) return;
    catalog.serve(definition.metadata.name, []);
    if (definition.metadata.finalizers?.includes(CLEANUP_FINALIZER) === true) this.dropFinalizer(DEFINITION, definition, CLEANUP_FINALIZER);
  }

  private collectGarbage(): void {
    const { store, catalog } = this.cluster;
    const everything = [...store.all()];
    const byUid = new Map(everything.map(([, object]) => [object.metadata.uid, object]));
    // An owner in another namespace counts as absent.
    const ownerOf = (object: KubeObject, uid: string): KubeObject | undefined => {
      const owner = byUid.get(uid);
      return owner?.metadata.namespace === undefined || owner.metadata.namespace === object.metadata.namespace ? owner : undefined;
    };
    for (const [key, object] of everything) {
      const type = catalog.byKey(key);
      if (type === undefined || !this.isCurrent(type, object)) continue;
      const references = object.metadata.ownerReferences ?? [];
      const live = references.filter((reference) => ownerOf(object, reference.uid) !== undefined);
      if (references.length > 0 && live.length === 0) this.remove(type, object, 'Background');
      else if (live.length < references.length) this.write(type, withOwners(object, live));
      else if (isDeleting(object)) this.releaseDependents(type, object, everything);
    }
  }

  /** Serves the two finalizers with which deletion waits for, or lets go of, dependents. */
  private releaseDependents(type: ResourceType, owner: KubeObject, everything: readonly (readonly [string, KubeObject])[]): void {
    const finalizers = owner.metadata.finalizers ?? [];
    const isDependent = (object: KubeObject): boolean =>
      (object.metadata.ownerReferences ?? []).some(({ uid }) => uid === owner.metadata.uid);
    const dependents = everything.flatMap(([key, object]) => {
      const dependentType = isDependent(object) ? this.cluster.catalog.byKey(key) : undefined;
      return dependentType !== undefined && this.isCurrent(dependentType, object) ? [{ type: dependentType, object }] : [];
    });
    if (finalizers.includes(ORPHAN_FINALIZER)) {
      for (const dependent of dependents) {
        const others = (dependent.object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata.uid);
        this.write(dependent.type, withOwners(dependent.object, others));
      }
      this.dropFinalizer(type, owner, ORPHAN_FINALIZER);
    } else if (finalizers.includes(FOREGROUND_FINALIZER)) {
      for (const dependent of dependents) this.remove(dependent.type, dependent.object, 'Foreground');
      const isBlocking = ({ object }: { object: KubeObject }): boolean =>
        (object.metadata.ownerReferences ?? []).some(
          (reference) => reference.uid === owner.metadata.uid && reference.blockOwnerDeletion === true,
        );
      if (!dependents.some(isBlocking)) this.dropFinalizer(type, owner, FOREGROUND_FINALIZER);
    }
  }

  private remove(type: ResourceType, object: KubeObject, propagationPolicy: Propagation): void {
    if (object.metadata.deletionTimestamp === undefined) deleteObject(this.cluster, type, object, { propagationPolicy });
  }

  private isCurrent(type: ResourceType, object: KubeObject): boolean {
    return this.cluster.store.get(type, object.metadata.namespace, object.metadata.name) === object;
  }

  private dropFinalizer(type: ResourceType, object: KubeObject, finalizer: string): void {
    const finalizers = (object.metadata.finalizers ?? []).filter((other) => other !== finalizer);
    const { finalizers: _dropped, ...metadata } = object.metadata;
    if (finalizers.length > 0) this.write(type, { ...object, metadata: { ...metadata, finalizers } });
    else if ((metadata.deletionGracePeriodSeconds ?? 0) === 0) this.cluster.store.remove(type, { ...object, metadata });
  }

  /** Writes only what differs: a write of the same would call the next pass for ever. */
  private write(type: ResourceType, object: KubeObject): void {
    const current = this.cluster.store.get(type, object.metadata.namespace, object.metadata.name);
    if (current !== undefined && !isSameJson(current, object)) this.cluster.store.put(type, object);
  }
}

function isDeleting(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

function withOwners(object: KubeObject, ownerReferences: NonNullable<KubeObject['metadata']['ownerReferences']>): KubeObject {
  const { ownerReferences: _earlier, ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, ...(ownerReferences.length > 0 ? { ownerReferences } : {}) } };
}

function isEstablished(definition: KubeObject): boolean {
  return objectsAt(definition, 'status', 'conditions').some((one) => one['type'] === 'Established' && one['status'] === 'True');
}

function condition(type: string, reason: string, message: string): JsonObject {
  return { type, status: 'True', reason, message };
}

/** Most writes concern no controller; a pass looks at every object. */
function mayConcern(event: StoreEvent): boolean {
  const { metadata } = event.object;
  return event.type === 'DELETED' || isDeleting(event.object) || metadata.ownerReferences !== undefined || WATCHED.includes(event.key);
}
