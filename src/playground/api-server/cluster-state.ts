// What the operations of a cluster work on; cluster.ts puts it together.

import type { AddressAllocator } from './kinds/service-addresses';
import type { ResourceCatalog } from './resources';
import type { Snapshots } from './snapshots';
import type { Store } from './store';

/** One cluster's objects, the resources that it serves, and its clock. */
export interface ClusterState {
  readonly store: Store;
  readonly catalog: ResourceCatalog;
  readonly addresses: AddressAllocator;
  readonly snapshots: Snapshots;
  /** From a definition's creation until its resource is served, in milliseconds. */
  readonly establishDelayMs: number;
  /** The present, as metadata shows it: RFC 3339 in whole seconds. */
  timestamp(): string;
}
