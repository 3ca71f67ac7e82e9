// Debts as SettleCleanup keeps them, how they fare, and how that is told.
import type { Debt } from '../src/contract/activities';
import { debtorsOf, isOnlyOfAuthority, type Fare } from '../src/contract/debts';
import type { OwedCleanup } from '../src/contract/owed';
import type { StepStatus } from '../src/contract/status';
import { cell } from './markdown';
import type { Mutable } from './step-log';

/** A cluster that was away for a moment is tried again soon; one that stays away is not hammered. */
export const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 10 * 60_000;

/** A debt, and how it fares. */
export interface Account extends Mutable<Fare> {
  debt: Debt;
  /** Somebody wants it tried now. */
  nudged: boolean;
}

export function openAccount(debt: Debt, fare: Fare = { attempts: 0, pauseMs: FIRST_PAUSE_MS }): Account {
  return { ...fare, debt, nudged: false };
}

export function fareOf({ attempts, lastError, nextTryAt, pauseMs, holdsBack }: Account): Fare {
  return {
    attempts,
    pauseMs,
    ...(lastError === undefined ? {} : { lastError }),
    ...(nextTryAt === undefined ? {} : { nextTryAt }),
    ...(holdsBack === undefined ? {} : { holdsBack }),
  };
}

/** Puts off the next attempt, each time for longer. @returns how long in milliseconds */
export function putOff(account: Account): number {
  const { pauseMs } = account;
  account.nextTryAt = Date.now() + pauseMs;
  account.pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
  return pauseMs;
}

/** Whether it is to be tried now: it has not been put off, or somebody wants it all the same. */
export function isDue({ nextTryAt, nudged }: Account): boolean {
  return nudged || nextTryAt === undefined;
}

/**
 * The earlier part of the same run's debts to the same peer that a debt comes after, if one is to be done first. As with the steps of one
 * debt, a part that failed for a fact keeps no later one waiting: what it waits for may be among them.
 */
export function partBefore({ debt }: Account, lane: readonly Account[]): Account | undefined {
  if (debt.kind !== 'undo') return undefined;
  const { run, peer, part = 1 } = debt;
  const isBefore = ({ debt: other }: Account): boolean =>
    other.kind === 'undo' && other.run === run && other.peer === peer && (other.part ?? 1) < part;
  return lane.find((other) => isBefore(other) && (other.attempts === 0 || other.holdsBack === true));
}

export function told({ debt, attempts, lastError, nextTryAt }: Account): OwedCleanup {
  return {
    kind: debt.kind,
    by: debt.by,
    run: debt.run,
    since: debt.since,
    peers: debtorsOf(debt),
    ...(isOnlyOfAuthority(debt) ? { authorityOnly: true } : {}),
    left: debt.kind === 'undo' ? debt.steps.map(({ title }) => title) : ['tear down'],
    attempts,
    ...(lastError === undefined ? {} : { lastError }),
    ...(nextTryAt === undefined ? {} : { nextTryAt }),
  };
}

/** As runs tell of themselves: what is owed are steps that go on. */
export function stepsOf({ by, run, peers, left, attempts, lastError }: OwedCleanup): StepStatus[] {
  return left.map((title, index) => ({
    id: `${run}/${peers.join('+')}/${index}`,
    title: `${title} of ${by}`,
    ...(peers.length === 1 ? { peer: peers[0] ?? '' } : {}),
    state: 'running',
    ...(index === 0 ? { attempts, ...(lastError === undefined ? {} : { lastError }) } : {}),
  }));
}

export function owedTable(owed: readonly OwedCleanup[]): string {
  if (owed.length === 0) return 'Nothing is owed.';
  return [
    '| peers | owed by | left | attempts | last failure |',
    '|---|---|---|---|---|',
    ...owed.map(
      ({ peers, by, left, attempts, lastError }) =>
        `| ${peers.join(', ')} | ${cell(by)} | ${left.map(cell).join(', ')} | ${attempts} | ${cell(lastError?.message ?? '')} |`,
    ),
  ].join('\n');
}
