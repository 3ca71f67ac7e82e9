// Owed cleanup as SettleCleanup keeps it until it is done.
import { FabricError } from '../errors/fabric-error';
import { dnsLabel } from '../model/names';
import { isRecord } from '../model/problems';
import type { Debt } from './activities';
import type { OwedCleanup } from './owed';
import type { RunKind } from './runs';
import type { Problem } from './status';
import { teardownWorkflowId } from './workflow-ids';

/** Input of SettleCleanup. */
export interface SettleInput {
  readonly fabric: string;
  /** Given by the run before it. */
  readonly debts?: readonly Debt[];
  /** How those debts fared there, by `debtKey`. */
  readonly fares?: Readonly<Record<string, Fare>>;
}

/** How trying to settle a debt goes. */
export interface Fare {
  /** That failed, so far. */
  readonly attempts: number;
  /** Of the last attempt that failed. */
  readonly lastError?: Problem;
  /** Milliseconds since the epoch; absent while it is tried. */
  readonly nextTryAt?: number;
  /** How long to wait after the next attempt that fails, in milliseconds. */
  readonly pauseMs: number;
  /** The last attempt failed with what may pass, and left off there: later parts of the same run's debts wait. */
  readonly holdsBack?: boolean;
}

/** Reads the input of SettleCleanup. @throws invalid */
export function readSettleInput(input: unknown): SettleInput {
  const { fabric, debts, fares } = isRecord(input) ? input : {};
  const isDebt = (debt: unknown): boolean => isRecord(debt) && (debt['kind'] === 'undo' || debt['kind'] === 'teardown');
  const problems = [
    ...(dnsLabel.safeParse(fabric).success ? [] : ['fabric: must be the name of a fabric']),
    ...(debts === undefined || (Array.isArray(debts) && debts.every(isDebt)) ? [] : ['debts: must be a list of debts']),
    ...(fares === undefined || isRecord(fares) ? [] : ['fares: must be an object']),
  ];
  if (problems.length > 0)
    throw new FabricError({ code: 'invalid', message: `SettleCleanup input has problems:\n  ${problems.join('\n  ')}` });
  return input as SettleInput;
}

/** The same debt told twice is one. */
export function debtKey(debt: Debt): string {
  if (debt.kind === 'teardown') return `teardown ${debt.by}`;
  return `undo ${debt.run} ${debt.peer}${debt.part === undefined ? '' : ` ${debt.part}`}`;
}

/** Whether a debt takes the place of one that is known: it is the same, or it is a teardown of the same peers. */
export function replaces(debt: Debt, known: Debt): boolean {
  if (debtKey(debt) === debtKey(known)) return true;
  if (debt.kind !== 'teardown' || known.kind !== 'teardown') return false;
  return teardownWorkflowId(debt.request) === teardownWorkflowId(known.request);
}

/** The peers that a debt concerns. */
export function debtorsOf(debt: Debt): readonly string[] {
  if (debt.kind === 'teardown') return debt.peers;
  return debt.peer === '' ? [] : [debt.peer];
}

/** Whether all that is left of a debt is to let go of the fabric's authority. */
export function isOnlyOfAuthority(debt: Debt): boolean {
  return debt.kind === 'undo' && debt.peer === '' && debt.steps.every(({ call }) => call.activity === 'releaseAuthority');
}

/** Those who make the fabric's authority, sign with it, or let go of what others claimed of it. */
const OF_AUTHORITY: readonly string[] = ['BootstrapFabric', 'CleanUpFabric'] satisfies RunKind[];

/** What of it a run of that kind has to know. The authority's key signs new peers, and no link or connection needs it. */
export function owedFor(kind: string | undefined, owed: readonly OwedCleanup[]): readonly OwedCleanup[] {
  return kind === undefined || OF_AUTHORITY.includes(kind) ? owed : owed.filter(({ authorityOnly }) => authorityOnly !== true);
}

/** Whether what is owed to `debtors` concerns any of these peers: what is owed to the fabric itself concerns them all. */
export function concerns(debtors: readonly string[], peers: readonly string[]): boolean {
  return debtors.length === 0 || debtors.some((peer) => peers.includes(peer));
}
