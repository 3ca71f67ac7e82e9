// How a failure crosses into Temporal's history: as an ApplicationFailure whose type is the error's code. The history is kept for
// long and read by many, so texts are bounded, and what looks like a key or a token is taken out, whoever wrote it.
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { FabricError, isFabricError } from '../src/errors/fabric-error';

const MAX_TEXT = 1_000;
const MAX_CAUSES = 3;
const MAX_FRAMES = 8;
/** A later retry than this could miss the end of its activity, and Temporal would not even try it: the activity would end at once. */
const MAX_RETRY_DELAY_MS = 10_000;

/** How the SDK names the cancellation of what runs on a worker that stops. Source: @temporalio/worker 1.24.0, activity.ts. */
const WORKER_SHUTDOWN = 'WORKER_SHUTDOWN';

// PEM blocks (also cut off), bearer tokens, JSON web tokens, and base64 longer than any digest or fingerprint.
const SECRETS = /-----BEGIN [\s\S]*?(-----END [A-Z0-9 ]*-----|$)|\bBearer\s+\S+|\beyJ[\w-]+\.[\w-]+\.[\w-]*|[A-Za-z0-9+/]{120,}={0,2}/g;

/** Where and when a failure happened. */
export interface FailurePlace {
  readonly peer: string | undefined;
  readonly attempts: number;
  /** Whether there is no use in another attempt, whatever the failure is. */
  readonly isLast: boolean;
  /** The activity's own signal. */
  readonly signal: AbortSignal;
}

/** The one detail of every ApplicationFailure made here. */
interface FailureDetail {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly peer?: string;
  readonly object?: string;
  readonly attempts: number;
}

/** What an activity throws for an error: the cancellation when that is what ended it, otherwise an ApplicationFailure. */
export function toActivityFailure(error: unknown, place: FailurePlace): ApplicationFailure | CancelledFailure {
  const { signal } = place;
  if (!signal.aborted || !isAbort(error, signal)) return toApplicationFailure(error, place);
  const reason: unknown = signal.reason;
  const cancelled = reason instanceof CancelledFailure ? reason : new CancelledFailure('CANCELLED');
  // Nobody asked for an end: another worker goes on. A CancelledFailure would be taken for the workflow's own wish.
  if (cancelled.message === WORKER_SHUTDOWN) {
    return toApplicationFailure(
      new FabricError({ code: 'unavailable', message: 'The worker was stopped.', hint: 'The step goes on as soon as a worker runs.' }),
      place,
    );
  }
  return cancelled;
}

/** The ApplicationFailure of an error: type is its code, and an error that nobody foresaw is `internal`. */
function toApplicationFailure(error: unknown, { peer, attempts, isLast }: Omit<FailurePlace, 'signal'>): ApplicationFailure {
  const known = isFabricError(error) ? error : undefined;
  const failure =
    known ??
    new FabricError({
      code: 'internal',
      message: textOf(error),
      hint: 'This is a defect of Skyfabric: please report it with the worker log.',
      cause: error,
    });
  const detail: FailureDetail = {
    code: failure.code,
    message: bounded(failure.message),
    attempts,
    ...defined('hint', failure.hint),
    ...defined('peer', failure.peer ?? peer),
    ...defined('object', failure.object),
  };
  const cause = causeOf(failure.cause, MAX_CAUSES);
  const { retryAfterMs = 0 } = failure;
  return ApplicationFailure.create({
    type: failure.code,
    message: detail.message,
    nonRetryable: !failure.retryable || isLast,
    details: [detail],
    ...(retryAfterMs > 0 ? { nextRetryDelay: Math.min(retryAfterMs, MAX_RETRY_DELAY_MS) } : {}),
    ...(cause === undefined ? {} : { cause }),
  });
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  return (
    error === signal.reason ||
    error instanceof CancelledFailure ||
    (error as { readonly name?: unknown } | undefined)?.name === 'AbortError'
  );
}

/** A copy of a cause: its message and where it came from, as far as they are fit to be kept. */
function causeOf(cause: unknown, depth: number): Error | undefined {
  if (!(cause instanceof Error) || depth === 0) return undefined;
  const next = causeOf(cause.cause, depth - 1);
  const copy = new Error(textOf(cause), next === undefined ? undefined : { cause: next });
  const frames = (cause.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  copy.stack = [`${cause.name}: ${copy.message}`, ...frames.slice(0, MAX_FRAMES).map(bounded)].join('\n');
  return copy;
}

function textOf(error: unknown): string {
  return bounded(error instanceof Error ? error.message : String(error));
}

/** A text that may go into a history: bounded, and without what looks like a key or a token. */
export function bounded(text: string): string {
  const clean = text.slice(0, 16 * MAX_TEXT).replace(SECRETS, '[removed]');
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}…` : clean;
}

function defined(key: 'hint' | 'peer' | 'object', value: string | undefined): Partial<FailureDetail> {
  return value === undefined ? {} : { [key]: bounded(value) };
}
