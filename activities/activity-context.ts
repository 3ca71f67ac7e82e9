// What an activity knows of the attempt it runs in: the signal that stops its I/O, and a way to say what it is waiting for.
import { Context } from '@temporalio/activity';

const progress = new WeakMap<Context, string>();

/** Aborted when the activity is cancelled or its worker stops; every request, watch and dial of an activity takes it. */
export function signal(): AbortSignal {
  return Context.current().cancellationSignal;
}

/** Says what the activity is doing, in its heartbeat: an operator reads it in the Temporal UI while the attempt runs. */
export function tellProgress(message: string): void {
  const context = Context.current();
  progress.set(context, message);
  context.heartbeat(message);
}

/** Repeats the last heartbeat, so that a quiet attempt is not taken for a dead one, and hears of its cancellation. */
export function heartbeatAgain(context: Context): void {
  context.heartbeat(progress.get(context));
}
