// Owed cleanup as it is told: what a run could not take back in time, and how trying it again fares.
import type { Problem } from './status';

/** A debt as it is told: without inputs. */
export interface OwedCleanup {
  /** `undo`: steps of a run that was rolled back. `teardown`: a teardown that could not finish. */
  readonly kind: 'undo' | 'teardown';
  readonly by: string;
  readonly run: string;
  readonly since: number;
  /** Peers that it concerns; none for the fabric itself. */
  readonly peers: readonly string[];
  /** It is only about the fabric's authority, and concerns nobody but those who make it or sign with it. */
  readonly authorityOnly?: boolean;
  /** What is still to be done, in order. */
  readonly left: readonly string[];
  /** Attempts so far. */
  readonly attempts: number;
  readonly lastError?: Problem;
  /** Milliseconds since the epoch; absent while an attempt is under way. */
  readonly nextTryAt?: number;
}
