// What every activity has in common, put around each once: heartbeats, failures in Temporal's terms, the number of attempts.
import { Context } from '@temporalio/activity';
import type { Attempted } from '../src/contract/activities';
import { isFabricError } from '../src/errors/fabric-error';
import { beginAttempt, earlierFinding, handOn, hasRunOut, heartbeatAgain, isLastAttempt } from './activity-context';
import { findingOf, insteadOf } from './earlier-attempts';
import { toActivityFailure } from './failures';

/** Well under any heartbeat timeout; the SDK thins out what it sends. */
const HEARTBEAT_EVERY_MS = 1_000;

/**
 * Makes an activity of a step.
 * @throws ApplicationFailure whose type is an error code, retried unless the code says that no retry can mend it, or no time is left for one;
 * CancelledFailure when the activity was cancelled; `unavailable` when its time was up
 */
export function attempt<Input, Value>(step: (input: Input) => Promise<Value>): (input: Input) => Promise<Attempted<Value>> {
  return async (input) => {
    const context = Context.current();
    const attempts = context.info.attempt;
    const { signal, end } = beginAttempt(context);
    const ticker = setInterval(() => heartbeatAgain(context), HEARTBEAT_EVERY_MS);
    try {
      signal.throwIfAborted();
      return { value: await step(input), attempts };
    } catch (error) {
      // Only what the end of its time broke off is told as that: an error that has something to say keeps its word.
      const timedOut = signal.aborted && !context.cancellationSignal.aborted;
      const cause: unknown = timedOut && !isFabricError(error) ? signal.reason : error;
      const earlier = earlierFinding(context);
      const ranOut = hasRunOut(context);
      const instead = isFabricError(cause) ? insteadOf(cause, earlier, attempts, ranOut) : undefined;
      const retryAfterMs = isFabricError(cause) ? cause.retryAfterMs : undefined;
      const isLast = isLastAttempt(context, retryAfterMs);
      const place = { peer: peerOf(input), attempts, isLast, signal: context.cancellationSignal };
      const failure = toActivityFailure(instead ?? cause, place);
      // An attempt whose time or worker went has found out nothing.
      const found = ranOut || instead !== undefined || context.cancellationSignal.aborted ? undefined : findingOf(failure);
      handOn(context, found ?? earlier);
      throw failure;
    } finally {
      clearInterval(ticker);
      end();
    }
  };
}

/** The peer that an input is about: `peer` is its address or, where only the authority acts, its name. */
function peerOf(input: unknown): string | undefined {
  const peer = (input as { readonly peer?: unknown } | undefined)?.peer;
  if (typeof peer === 'string') return peer;
  const name = (peer as { readonly name?: unknown } | undefined)?.name;
  return typeof name === 'string' ? name : undefined;
}
