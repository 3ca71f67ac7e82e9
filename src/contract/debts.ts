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
  if (debt.kind === 'teardown') return `teardown ${debt.by}`;
  return `undo ${debt.run} ${debt.peer}${debt.part === undefined ? '' : ` ${debt.part}`}`;
}

/** The peers that a debt concerns. */
export function debtorsOf(debt: Debt): readonly string[] {
  if (debt.kind === 'teardown') return debt.peers;
  return debt.peer === '' ? [] : [debt.peer];
}

/** Whether what is owed to `debtors` concerns any of these peers: what is owed to the fabric itself concerns them all. */
export function concerns(debtors: readonly string[], peers: readonly string[]): boolean {
  return debtors.length === 0 || debtors.some((peer) => peers.includes(peer));
}
