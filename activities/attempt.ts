// What every activity has in common, put around each once: heartbeats, failures in Temporal's terms, the number of attempts.
import { Context } from '@temporalio/activity';
import type { Attempted } from '../src/contract/activities';
import { heartbeatAgain } from './activity-context';
import { toActivityFailure } from './failures';

/** Well under any heartbeat timeout; the SDK thins out what it sends. */
const HEARTBEAT_EVERY_MS = 1_000;

/**
 * Makes an activity of a step.
 * @throws ApplicationFailure whose type is an error code, retried unless the code says that no retry can mend it;
 * CancelledFailure when the activity was cancelled
 */
export function attempt<Input, Value>(step: (input: Input) => Promise<Value>): (input: Input) => Promise<Attempted<Value>> {
  return async (input) => {
    const context = Context.current();
    const attempts = context.info.attempt;
    const ticker = setInterval(() => heartbeatAgain(context), HEARTBEAT_EVERY_MS);
    try {
      context.cancellationSignal.throwIfAborted();
      return { value: await step(input), attempts };
    } catch (error) {
      throw toActivityFailure(error, { peer: peerOf(input), attempts, signal: context.cancellationSignal });
    } finally {
      clearInterval(ticker);
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
