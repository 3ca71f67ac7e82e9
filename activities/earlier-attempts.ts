// What an attempt of a step tells those after it. Temporal hands on the last heartbeat, but no failure; and an attempt that has little
// time left, or meets what one before has left, would hide why the step really fails.
import type { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { FabricError, type FabricErrorFields } from '../src/errors/fabric-error';
import { isRecord } from '../src/model/problems';

/** What an attempt failed with. */
export type Finding = Pick<FabricErrorFields, 'code' | 'message' | 'hint' | 'peer' | 'object'>;

/** What a heartbeat carries once an attempt has failed; before that, only what it is doing. */
export interface Beat {
  readonly doing?: string | undefined;
  readonly earlier?: Finding | undefined;
}

/** Reads the last heartbeat of the attempt before, if there was one and it had something to hand on. */
export function earlierIn(heartbeat: unknown): Finding | undefined {
  return isRecord(heartbeat) ? asFinding(heartbeat['earlier']) : undefined;
}

/** What a failure made by `toActivityFailure` hands on: its texts are bounded and hold no secrets. */
export function findingOf(failure: ApplicationFailure | CancelledFailure): Finding | undefined {
  return asFinding(failure.details?.[0]);
}

/** Failures that say nothing of why a step does not succeed: something is in its way, or nobody answered just then. */
const BY_THE_WAY: readonly string[] = ['pending', 'unavailable'];

/**
 * The error to tell when an attempt found out less than one before it: the earlier one, and what this attempt could tell.
 * @param ranOut whether this attempt ended because its time was up
 * @returns `undefined` when the attempt's own error says enough
 */
export function insteadOf(error: FabricError, earlier: Finding | undefined, attempt: number, ranOut: boolean): FabricError | undefined {
  if (earlier === undefined || !error.retryable) return undefined;
  // What is pending is in the way of the step, and is not why it failed before.
  if (!ranOut && (error.code !== 'pending' || BY_THE_WAY.includes(earlier.code))) return undefined;
  const more = error.message === earlier.message ? '' : ` (attempt ${attempt} could only tell: ${error.message})`;
  return new FabricError({ ...earlier, message: `${earlier.message}${more}`, retryAfterMs: error.retryAfterMs, cause: error });
}

function asFinding(value: unknown): Finding | undefined {
  return isRecord(value) && typeof value['code'] === 'string' && typeof value['message'] === 'string'
    ? (value as unknown as Finding)
    : undefined;
}
