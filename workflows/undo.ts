// What takes a step back, as data: whoever has it can carry it out.
import type { Activities, Attempted, Change, OwedStep, UndoCall } from '../src/contract/activities';

/** What takes a step back. It is idempotent and needs nothing from the step's result. */
export interface Undo extends OwedStep {
  /** It only tidies up after the step, which stays as it ended: nobody undoes a proof. */
  readonly tidies?: boolean;
}

/** Carries out an undo. @throws the activity's failure */
export function callUndo(activities: Activities, { activity, input }: UndoCall): Promise<Attempted<Change>> {
  const act = activities[activity] as (input: UndoCall['input']) => Promise<Attempted<Change>>;
  return act(input);
}
