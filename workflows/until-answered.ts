// Activities whose worker went away.
import { ActivityFailure, CancellationScope, TimeoutFailure } from '@temporalio/workflow';
import { patched, type Patch } from './patches';

/** How often a step or an undo is begun whose worker did not come back in time. */
const MOST_ROUNDS = 4;

/**
 * Carries out an activity, and begins it anew when its time ran out without an answer. A worker that tries tells in time what it failed with,
 * so nobody was there: the machine that ran both worker and server was off, say. A peer whose own worker is gone for good is given up in the end.
 * @param patch since when: runs that were begun before fail
 */
export async function untilAnswered<T>(patch: Patch & `${string}-until-answered`, act: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round += 1) {
    try {
      return await act();
    } catch (error) {
      const isOver = !isUnanswered(error) || round === MOST_ROUNDS || CancellationScope.current().consideredCancelled;
      if (isOver || !patched(patch)) throw error;
    }
  }
}

/** Whether an activity failed because its time ran out without an answer. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof ActivityFailure && error.cause instanceof TimeoutFailure;
}
