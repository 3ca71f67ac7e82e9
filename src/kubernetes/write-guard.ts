// Who gives a signal along with a request may be asked before anything is written. A signal can only tell what somebody has noticed; a
// process that stood still and goes on in the middle of a step has noticed nothing yet.
import { untilAborted } from './deadline';

const guards = new WeakMap<AbortSignal, () => Promise<void>>();

/** From now on `guard` is asked before each write under this signal; what it throws keeps the write from being sent. */
export function guardWrites(signal: AbortSignal, guard: () => Promise<void>): void {
  guards.set(signal, guard);
}

/** Resolves when nobody objects to a write. @throws what the signal's guard throws; the signal's reason when it is aborted */
export async function mayWrite(signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return;
  signal.throwIfAborted();
  const guard = guards.get(signal);
  if (guard === undefined) return;
  try {
    await untilAborted(guard(), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
