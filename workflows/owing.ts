// Undos as data: how one is carried out, and how those that failed become debts.
import type { Activities, Attempted, Change, OwedStep, UndoCall, UndoDebt } from '../src/contract/activities';
import type { Claimant } from '../src/model/claimant';
import type { Place } from './place';

/** An undo that failed, and where it was to happen. */
export interface Owed {
  readonly step: OwedStep;
  readonly peer: Place | undefined;
}

/** Carries out an undo. @throws the activity's failure */
export function callUndo(activities: Activities, { activity, input }: UndoCall): Promise<Attempted<Change>> {
  const act = activities[activity] as (input: UndoCall['input']) => Promise<Attempted<Change>>;
  return act(input);
}

/** What a run owes, a debt for each peer; the order of its steps is kept. @param part which of the run's debts to those peers it is, if not the first */
export function debtsOf({ by, run }: Claimant, owed: readonly Owed[], part?: number): UndoDebt[] {
  const names = [...new Set(owed.map(({ peer }) => peer?.name ?? ''))];
  return names.map((name) => {
    const own = owed.filter(({ peer }) => (peer?.name ?? '') === name);
    const taskQueue = own[0]?.peer?.taskQueue;
    return {
      kind: 'undo',
      by,
      run,
      since: Date.now(),
      peer: name,
      ...(taskQueue === undefined ? {} : { taskQueue }),
      ...(part === undefined ? {} : { part }),
      steps: own.map(({ step }) => step),
    };
  });
}

/** The most JSON that is handed over at once, in characters: Temporal refuses two megabytes. */
const MOST_CHARACTERS = 500_000;

/** What is owed in chunks that can be handed over, in the same order. A step that is larger than a chunk is one by itself. */
export function inChunks(owed: readonly Owed[]): Owed[][] {
  const chunks: Owed[][] = [[]];
  let characters = 0;
  for (const one of owed) {
    const more = JSON.stringify(one).length;
    if (characters > 0 && characters + more > MOST_CHARACTERS) {
      chunks.push([]);
      characters = 0;
    }
    chunks.at(-1)?.push(one);
    characters += more;
  }
  return chunks;
}
