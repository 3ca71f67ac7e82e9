// What a built-in kind adds to the common handling of objects.

import type { JsonObject, KubeObject } from '../object';
import type { ResourceType } from '../resources';
import type { StatusCause } from '../status';
import type { Store } from '../store';
import type { AddressAllocator } from './service-addresses';

/** What a kind may look at besides the object. */
export interface KindContext {
  readonly store: Store;
  readonly addresses: AddressAllocator;
  /** Dry runs must not take addresses. */
  readonly dryRun: boolean;
}

/** How one kind is read, completed and checked. */
export interface KindRules {
  /** Fills in defaults and what the server decides, in place. `previous` is the live object on an update. */
  prepare?(object: KubeObject, previous: KubeObject | undefined, context: KindContext): void;
  /** What is wrong with the object, and what may not change. */
  validate?(object: KubeObject, previous: KubeObject | undefined, context: KindContext): StatusCause[];
  /** The status of a new object. */
  initialStatus?(object: KubeObject): JsonObject;
  /** Refuses before anything else is looked at (decoding, admission). */
  admit?(object: KubeObject, previous: KubeObject | undefined, context: KindContext, type: ResourceType): void;
}
