// What an activity knows of the attempt it runs in: the signal that stops its I/O, the time it has left, and a way to say what it is
// waiting for.
import { Context } from '@temporalio/activity';
import { FabricError } from '../src/errors/fabric-error';
import { guardWrites } from '../src/kubernetes/write-guard';
import { earlierIn, type Beat, type Finding } from './earlier-attempts';
import { bounded } from './failures';
import { tenureOf } from './tenure';

/** What an attempt needs to tell what it waited for in vain, before the server takes it for lost. */
const MARGIN_MS = 5_000;
/** Enough to look once, so that even a short attempt can tell what is missing. */
const LEAST_WAIT_MS = 1_000;
/** By how much a timer may come early. */
const TIMER_SLACK_MS = 50;
/** What an attempt needs to get anywhere. */
const LEAST_ATTEMPT_MS = 3_000;

interface Attempt {
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly endsAt: number;
  /** The end of a wait that had less time than it wanted. */
  cutAt: number;
  /** The end of all attempts. */
  readonly closesAt: number;
}

const attempts = new WeakMap<Context, Attempt>();
const beats = new WeakMap<Context, Beat>();

/**
 * Starts the clock of an attempt. When its time is up, `signal` is aborted even if nobody can tell the worker so: a worker that is cut
 * off from the server must not go on writing while the step is undone elsewhere. Until then it must have been heard of lately to write
 * anything under this signal. `end` stops the clock.
 */
export function beginAttempt(context: Context): { readonly signal: AbortSignal; readonly end: () => void } {
  const { cancellationSignal, info } = context;
  const earlierMs = info.currentAttemptScheduledTimestampMs - info.scheduledTimestampMs;
  const leftInAllMs = info.scheduleToCloseTimeoutMs - earlierMs;
  const leftMs = Math.max(0, Math.min(info.startToCloseTimeoutMs, leftInAllMs));
  const stop = new AbortController();
  const onCancel = (): void => stop.abort(cancellationSignal.reason);
  const onTimeout = (): void =>
    stop.abort(
      new FabricError({
        code: 'unavailable',
        message: `The attempt did not end within ${leftMs / 1_000} s.`,
        hint: 'See in its heartbeat what it waited for.',
      }),
    );
  const timer = setTimeout(onTimeout, leftMs);
  if (cancellationSignal.aborted) onCancel();
  cancellationSignal.addEventListener('abort', onCancel, { once: true });
  const beganAt = Date.now();
  attempts.set(context, { signal: stop.signal, endsAt: beganAt + leftMs, cutAt: Infinity, closesAt: beganAt + leftInAllMs });
  beats.set(context, { earlier: earlierIn(info.heartbeatDetails) });
  const tenure = tenureOf(context, () => toldBy(context));
  if (tenure !== undefined) guardWrites(stop.signal, () => tenure.confirm());
  return { signal: stop.signal, end: () => clearTimeout(timer) };
}

/**
 * Aborted when the activity is cancelled, its worker stops or its time is up; every request, watch and dial of an activity takes it.
 * What is written otherwise than by a request to a cluster asks `mayWrite` of it first.
 */
export function signal(): AbortSignal {
  const context = Context.current();
  return attempts.get(context)?.signal ?? context.cancellationSignal;
}

/** How long a wait of an activity may last, in milliseconds: as wanted, but so that its attempt can still tell what it waited for. */
export function withinAttempt(wantedMs: number): number {
  const attempt = attempts.get(Context.current());
  if (attempt === undefined) return wantedMs;
  const grantedMs = Math.min(wantedMs, Math.max(LEAST_WAIT_MS, attempt.endsAt - Date.now() - MARGIN_MS));
  attempt.cutAt = grantedMs < wantedMs ? Date.now() + grantedMs : Infinity;
  return grantedMs;
}

/**
 * Whether another attempt would have no time left to get anywhere. The server would begin it all the same, and when its time is up, tell
 * that nobody answered instead of what the attempts before it have found. @param retryAfterMs the pause that the failure asks for
 */
export function isLastAttempt(context: Context, retryAfterMs = 0): boolean {
  const { attempt, retryPolicy: { initialInterval, backoffCoefficient = 2, maximumInterval = Infinity } = {} } = context.info;
  if (typeof initialInterval !== 'number' || typeof maximumInterval !== 'number') return false;
  const pauseMs = Math.min(retryAfterMs > 0 ? retryAfterMs : initialInterval * backoffCoefficient ** (attempt - 1), maximumInterval);
  return (attempts.get(context)?.closesAt ?? Infinity) - Date.now() < pauseMs + LEAST_ATTEMPT_MS;
}

/** Whether the attempt's time is up, or that of a wait which had less than it wanted: so it may know no more than that. */
export function hasRunOut(context: Context): boolean {
  const { endsAt, cutAt } = attempts.get(context) ?? { endsAt: Infinity, cutAt: Infinity };
  return Date.now() + TIMER_SLACK_MS >= Math.min(endsAt, cutAt);
}

/** What the latest attempt before this one failed with that did not run out of time. */
export function earlierFinding(context: Context): Finding | undefined {
  return beats.get(context)?.earlier;
}

/** Hands on to the attempts after this one what it failed with. */
export function handOn(context: Context, earlier: Finding | undefined): void {
  beats.set(context, { ...beats.get(context), earlier });
  heartbeatAgain(context);
}

/** Says what the activity is doing, in its heartbeat: an operator reads it in the Temporal UI while the attempt runs. */
export function tellProgress(message: string): void {
  const context = Context.current();
  beats.set(context, { ...beats.get(context), doing: bounded(message) });
  heartbeatAgain(context);
}

/** Repeats the last heartbeat, so that a quiet attempt is not taken for a dead one, and hears of its cancellation. */
export function heartbeatAgain(context: Context): void {
  context.heartbeat(toldBy(context));
}

function toldBy(context: Context): unknown {
  const beat = beats.get(context);
  return beat?.earlier === undefined ? beat?.doing : beat;
}
