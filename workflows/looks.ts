// Looking at several peers at once, before anything is changed: what was found on each, and all that failed, not only the first.
import { isCancellation } from '@temporalio/workflow';
import type { Place } from './place';
import { failureOf, located, problemOf } from './problem';
import { together } from './together';

/** What was found on peers, and what failed; a peer is in one of them. */
export interface Looks<T> {
  readonly found: readonly T[];
  readonly failures: readonly PeerFailure[];
}

interface PeerFailure {
  readonly peer: string;
  readonly error: unknown;
}

/** Looks at several peers at once and waits for all answers. */
export async function lookAtEach<P extends Place, T>(peers: readonly P[], look: (peer: P) => Promise<T>): Promise<Looks<T>> {
  const failures: PeerFailure[] = [];
  const found = await together(
    peers.map((peer) => async () => {
      try {
        return [await look(peer)];
      } catch (error) {
        if (isCancellation(error)) throw error;
        failures.push({ peer: peer.name, error });
        return [];
      }
    }),
  );
  return { found: found.flat(), failures };
}

/** Looks at several peers at once. @throws every problem at once, not only the first */
export async function lookAtAll<P extends Place, T>(peers: readonly P[], look: (peer: P) => Promise<T>): Promise<readonly T[]> {
  const { found, failures } = await lookAtEach(peers, look);
  if (failures.length > 0) throw allOf(failures);
  return found;
}

/** One failure that tells all of them; the first is its cause. */
export function allOf(failures: readonly PeerFailure[]): unknown {
  const [first, ...rest] = failures.map(({ peer, error }) => located(problemOf(error), { name: peer }));
  const cause = failures[0]?.error;
  if (first === undefined || rest.length === 0) return cause;
  const lines = [first, ...rest].map((problem) => `${problem.peer ?? ''}: ${problem.message}`);
  return failureOf({ ...first, message: `${lines.length} peers cannot be used:\n  ${lines.join('\n  ')}` }, { hint: first.hint }, cause);
}
