// Every timeout and retry policy of the workflows, each with its reason.
import type { ActivityOptions } from '@temporalio/workflow';
import { NON_RETRYABLE_CODES } from '../src/errors/fabric-error';

/** A worker that stops heartbeating (once a second) for this long is dead, and the step goes to another one. */
const HEARTBEAT_TIMEOUT_MS = 20_000;

/** One attempt may wait for pods to start or an address to be given; a hung one is ended and tried again. */
const ATTEMPT_TIMEOUT_MS = 5 * 60_000;

/** Looking changes nothing, so a cluster that cannot be seen is given up early. */
const LOOK_DEADLINE_MS = 60_000;

/** Policies take effect within a second; a connection that carries no bytes for this long is broken. */
const VERIFY_DEADLINE_MS = 2 * 60_000;

/** Probes forgive what is only new by themselves, so what failed so often is broken; a run that verifies everything is not to wait longer for it. */
const MEASURE_ATTEMPTS = 3;

/** How patient a step is: `look` before anything is changed, `act` for steps that change something, `verify`, `measure`, `undo`. */
export type Patience = 'look' | 'act' | 'verify' | 'measure' | 'undo';

/** What the run allows a step and an undo to take, retries included, in milliseconds. */
export interface Deadlines {
  readonly stepMs: number;
  readonly undoMs: number;
}

export function activityOptions(patience: Patience, deadlines: Deadlines): ActivityOptions {
  const deadlineMs = deadlineOf(patience, deadlines);
  return {
    scheduleToCloseTimeout: deadlineMs,
    startToCloseTimeout: Math.min(ATTEMPT_TIMEOUT_MS, deadlineMs),
    heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
    // Undoing must not begin while the step still runs: see docs/adr/0003-sagas.md.
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: {
      // Most failures of an API server pass within a second; ten seconds keeps a cluster that is away from being hammered.
      initialInterval: 500,
      backoffCoefficient: 2,
      maximumInterval: 10_000,
      nonRetryableErrorTypes: [...NON_RETRYABLE_CODES],
      ...(patience === 'measure' ? { maximumAttempts: MEASURE_ATTEMPTS } : {}),
    },
  };
}

/** One attempt at owed cleanup; SettleCleanup itself waits between them, for minutes, and as long as it takes. */
export function settleOptions(): ActivityOptions {
  return {
    // Also ends the wait for a peer's own worker that does not run.
    scheduleToCloseTimeout: ATTEMPT_TIMEOUT_MS,
    startToCloseTimeout: ATTEMPT_TIMEOUT_MS,
    heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { maximumAttempts: 1 },
  };
}

function deadlineOf(patience: Patience, deadlines: Deadlines): number {
  switch (patience) {
    case 'look':
      return Math.min(LOOK_DEADLINE_MS, deadlines.stepMs);
    case 'verify':
    case 'measure':
      return Math.min(VERIFY_DEADLINE_MS, deadlines.stepMs);
    case 'act':
      return deadlines.stepMs;
    case 'undo':
      return deadlines.undoMs;
  }
}
