// Undos as data: how one is carried out, and how those that failed become debts.
import { workflowInfo } from '@temporalio/workflow';
import type { Activities, Attempted, Change, OwedStep, UndoCall, UndoDebt } from '../src/contract/activities';
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

/** What this run owes, a debt for each peer; the order of its steps is kept. */
export function debtsOf(owed: readonly Owed[]): UndoDebt[] {
  const { workflowId: by, firstExecutionRunId: run } = workflowInfo();
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
      steps: own.map(({ step }) => step),
    };
  });
}
