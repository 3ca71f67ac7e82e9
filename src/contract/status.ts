// What a run tells of itself: the shapes of the `status` query, of results, and of a failed run's details.
import type { ErrorCode } from '../errors/fabric-error';

export type StepState = 'running' | 'done' | 'failed' | 'undoing' | 'undone' | 'not-undone';

/** A failure as it is shown: what, where, why, and what to do next. */
export interface Problem {
  readonly code: ErrorCode | 'cancelled';
  readonly message: string;
  readonly hint?: string;
  readonly peer?: string;
  readonly object?: string;
}

/** One step of a run. Its `id` is also the id of its activity, so pending attempts can be matched. */
export interface StepStatus {
  readonly id: string;
  /** What an operator calls it: `deploy gateway`. */
  readonly title: string;
  /** The peer it works on; none for a step of the whole fabric. */
  readonly peer?: string;
  readonly state: StepState;
  /** Attempts made, counted from 1, once the step has ended; while it runs, Temporal's pending activity tells. */
  readonly attempts?: number;
  /** What it did, in a few words: `created`, `unchanged`, `172.31.77.11:443`. */
  readonly note?: string;
  readonly lastError?: Problem;
  /** Workflow time, milliseconds since the epoch. */
  readonly startedAt?: number;
  readonly endedAt?: number;
}

/** A difference between a cluster's inventory before the run and after its rollback. */
export interface Residue {
  readonly peer: string;
  /** `Kind namespace/name`, or a step whose undoing failed. */
  readonly object: string;
  readonly why: string;
  /** It is owed: SettleCleanup tries it until it succeeds. */
  readonly owed?: boolean;
}

/** The proof of a rollback. */
export interface Rollback {
  /** The step that failed first, and its peer. */
  readonly failedStep?: string;
  readonly failedPeer?: string;
  /** Steps that were undone, in that order. */
  readonly undone: readonly string[];
  /** Objects of the fabric on each peer before the run and after the rollback. */
  readonly inventories: Readonly<Record<string, { readonly before: number; readonly after: number }>>;
  readonly residue: readonly Residue[];
}

/** `terminated` is told by Temporal and by no run itself: nothing of it was undone. */
export type RunPhase = 'running' | 'undoing' | 'done' | 'failed' | 'cancelled' | 'terminated';

/** Answer of the `status` query. */
export interface RunStatus {
  /** The workflow's name. */
  readonly kind: string;
  readonly fabric: string;
  readonly phase: RunPhase;
  readonly steps: readonly StepStatus[];
  readonly problem?: Problem;
  readonly rollback?: Rollback;
}
