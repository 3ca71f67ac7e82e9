// Owed cleanup as SettleCleanup keeps it until it is done.
import type { Debt } from './activities';

/** Input of SettleCleanup. */
export interface SettleInput {
  readonly fabric: string;
  /** Given by the run before it. */
  readonly debts?: readonly Debt[];
}

/** The same debt told twice is one. */
export function debtKey(debt: Debt): string {
  return debt.kind === 'undo' ? `undo ${debt.run} ${debt.peer}` : `teardown ${debt.by}`;
}

/** The peers that a debt concerns. */
export function debtorsOf(debt: Debt): readonly string[] {
  if (debt.kind === 'teardown') return debt.peers;
  return debt.peer === '' ? [] : [debt.peer];
}
