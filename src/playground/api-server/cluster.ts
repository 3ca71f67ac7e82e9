// One simulated cluster: its state, what it serves, who may talk to it, and what a fresh cluster begins with.

import { randomUUID } from 'node:crypto';
import { Identities } from './access';
import type { ClusterState } from './cluster-state';
import { Controllers } from './controllers';
import type { FaultInjector } from './faults';
import { AddressAllocator } from './kinds/service-addresses';
import type { JsonObject, KubeObject } from './object';
import { apiVersionOf, BUILT_IN_RESOURCES, ResourceCatalog } from './resources';
import type { ApiRequest } from './routing';
import { Snapshots } from './snapshots';
import { Store } from './store';

const WATCH_WINDOW = 1000;
const ESTABLISH_DELAY_MS = 25;

/** The parts of an `ApiServerOptions` that a cluster is made of. */
export interface ClusterOptions {
  readonly name: string;
  readonly faults?: FaultInjector;
  readonly clock?: () => Date;
  readonly onRequest?: (request: ApiRequest) => void;
  readonly establishDelayMs?: number;
  readonly watchWindow?: number;
}

/** A cluster and everything that works in it. */
export class Cluster implements ClusterState {
  readonly name: string;
  readonly faults: FaultInjector | undefined;
  readonly onRequest: ((request: ApiRequest) => void) | undefined;
  readonly establishDelayMs: number;
  readonly store: Store;
  readonly catalog = new ResourceCatalog();
  readonly addresses = new AddressAllocator();
  readonly identities = new Identities();
  readonly snapshots = new Snapshots();
  /** Ends the streams that are open; emptied by `close`. */
  readonly openWatches = new Set<() => void>();
  private readonly clock: () => Date;
  private readonly controllers: Controllers;

  constructor(options: ClusterOptions) {
    this.name = options.name;
    this.faults = options.faults;
    this.onRequest = options.onRequest;
    this.establishDelayMs = options.establishDelayMs ?? ESTABLISH_DELAY_MS;
    this.clock = options.clock ?? (() => new Date());
    this.store = new Store(options.watchWindow ?? WATCH_WINDOW);
    this.controllers = new Controllers(this);
    this.seed();
  }

  /** The uid of `kube-system`. */
  get uid(): string {
    return this.store.get({ group: '', plural: 'namespaces' }, undefined, 'kube-system')?.metadata.uid ?? '';
  }

  timestamp(): string {
    return this.clock()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z');
  }

  /** Stops everything that would act later. */
  close(): void {
    this.controllers.close();
    for (const end of [...this.openWatches]) end();
    this.addresses.close();
  }

  private seed(): void {
    for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
      const labels = { 'kubernetes.io/metadata.name': name };
      this.seedObject('Namespace', undefined, name, { spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } }, labels);
    }
    this.seedObject('ClusterRole', undefined, 'cluster-admin', { rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }] });
    const ports = [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }];
    const spec = { type: 'ClusterIP', clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports, sessionAffinity: 'None' };
    this.seedObject('Service', 'default', 'kubernetes', { spec, status: { loadBalancer: {} } });
  }

  private seedObject(
    kind: string,
    namespace: string | undefined,
    name: string,
    content: JsonObject,
    labels?: Record<string, string>,
  ): void {
    const type = BUILT_IN_RESOURCES.find((candidate) => candidate.kind === kind);
    if (type === undefined) return;
    const place = namespace === undefined ? {} : { namespace };
    const stamps = { uid: randomUUID(), resourceVersion: '', creationTimestamp: this.timestamp() };
    const object: KubeObject = {
      kind,
      apiVersion: apiVersionOf(type),
      metadata: { name, ...place, ...stamps, ...(labels && { labels }) },
      ...content,
    };
    this.store.put(type, object);
  }
}
