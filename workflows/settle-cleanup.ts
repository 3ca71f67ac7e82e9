// SettleCleanup: what runs could not take back in time is tried until it succeeds, days later if need be. One for a fabric;
// it ends when nothing is owed any more. See docs/adr/0013-owed-cleanup.md.
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  CancellationScope,
  condition,
  continueAsNew,
  executeChild,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities, Debt, OwedStep } from '../src/contract/activities';
import { debtKey, debtorsOf, readSettleInput, replaces, type SettleInput } from '../src/contract/debts';
import { forgetSignal, oweSignal, owedQuery, retrySignal, statusQuery } from '../src/contract/messages';
import type { OwedCleanup } from '../src/contract/owed';
import { prepareRun, requestDigest } from '../src/contract/runs';
import { FABRIC_ATTRIBUTE, findableBy, PEERS_ATTRIBUTE } from '../src/contract/search-attributes';
import type { RunStatus } from '../src/contract/status';
import { NON_RETRYABLE_CODES } from '../src/errors/fabric-error';
import { FIRST_PAUSE_MS, fareOf, isDue, openAccount, owedTable, partBefore, putOff, stepsOf, told, type Account } from './accounts';
import { settleOptions } from './activity-options';
import { callUndo } from './undo';
import { isUnanswered } from './until-answered';
import { patched } from './patches';
import { failureOf, problemOf } from './problem';

/**
 * What may pass keeps the later steps of its debt, and the later parts, waiting for so many attempts, because they were meant to come later
 * (an import is put back after the links that it leads over); then they are tried all the same.
 */
const ORDERLY_ATTEMPTS = 3;

/** Input: `SettleInput`; debts come by signal. Never fails: what cannot be done is tried again, and shown by the `owed` query. @throws invalid */
export async function SettleCleanup(input: unknown): Promise<void> {
  const settling = new Settling(read(input));
  setHandler(owedQuery, () => settling.told());
  setHandler(statusQuery, () => settling.status());
  setHandler(oweSignal, (debts) => settling.add(debts));
  setHandler(retrySignal, ({ peers, undoOnly = false }) => settling.nudge(peers, undoOnly));
  setHandler(forgetSignal, ({ peers, undoOnly = false, fabric = false }) => settling.forget(peers, { undoOnly, fabric }));
  // Nobody's cancellation ends what is owed: what is given up is named, by `forget`.
  await CancellationScope.nonCancellable(() => settling.run());
}

function read(input: unknown): SettleInput {
  try {
    return readSettleInput(input);
  } catch (error) {
    const problem = problemOf(error);
    throw failureOf(problem, { problem }, undefined);
  }
}

class Settling {
  private readonly accounts = new Map<string, Account>();
  /** Debts of one peer are settled one after the other, oldest first. */
  private readonly lanes = new Map<string, Promise<void>>();
  /** What fails keeps nothing else of its peer waiting. Those that were begun before this go on as they began. */
  private readonly goesOn = patched('settle-each');
  /** A part of a run's debts to a peer comes after those before it. Those that were begun before this go on as they began. */
  private readonly inOrder = patched('parts-in-order');
  private published: string | undefined;

  constructor(private readonly input: SettleInput) {
    this.add(input.debts ?? [], input.fares);
  }

  add(debts: readonly Debt[], fares: SettleInput['fares'] = {}): void {
    for (const debt of debts) {
      const known = [...this.accounts.values()].find((account) => replaces(debt, account.debt));
      if (known === undefined) this.accounts.set(debtKey(debt), openAccount(debt, fares[debtKey(debt)]));
      else if (debt.kind === 'teardown' && known.debt.kind === 'teardown') {
        const { by, run, since, asked = debt.asked } = known.debt;
        known.debt = { ...debt, by, run, since, ...(asked === undefined ? {} : { asked }) };
      }
    }
    this.publish();
  }

  nudge(peers: readonly string[] | undefined, undoOnly: boolean): void {
    for (const account of this.accounts.values()) {
      if (undoOnly && account.debt.kind !== 'undo') continue;
      const concerned = debtorsOf(account.debt);
      if (peers === undefined || concerned.length === 0 || concerned.some((peer) => peers.includes(peer))) account.nudged = true;
    }
  }

  forget(peers: readonly string[], { undoOnly, fabric }: { readonly undoOnly: boolean; readonly fabric: boolean }): void {
    // A worker of an older version did not know that what is owed to the fabric itself can be given up.
    const itself = fabric && patched('forget-fabric');
    for (const [key, account] of this.accounts) {
      const concerned = debtorsOf(account.debt);
      if (concerned.length === 0 ? !itself : !concerned.every((peer) => peers.includes(peer))) continue;
      // A teardown tells this while it still runs: when it has ended, its next attempt finds nothing left.
      if (undoOnly && account.debt.kind === 'teardown') account.nudged = true;
      else this.accounts.delete(key);
    }
    this.publish();
  }

  told(): OwedCleanup[] {
    // What waits for an earlier part is tried when that one is, and not before.
    return [...this.accounts.values()].map((account) => {
      const { nextTryAt } = this.before(account) ?? {};
      return told(nextTryAt === undefined ? account : { ...account, nextTryAt });
    });
  }

  status(): RunStatus {
    return { kind: 'SettleCleanup', fabric: this.input.fabric, phase: 'running', steps: this.told().flatMap(stepsOf) };
  }

  async run(): Promise<void> {
    for (;;) {
      for (const lane of this.wantedLanes()) {
        this.lanes.set(
          lane,
          this.settleLane(lane).finally(() => this.lanes.delete(lane)),
        );
      }
      if (this.lanes.size === 0 && (this.accounts.size === 0 || isLong())) break;
      await condition(() => this.lanes.size === 0 || this.wantedLanes().length > 0);
    }
    if (this.accounts.size > 0) {
      const accounts = [...this.accounts.values()];
      await continueAsNew<typeof SettleCleanup>({
        fabric: this.input.fabric,
        debts: accounts.map(({ debt }) => debt),
        fares: Object.fromEntries(accounts.map((account) => [debtKey(account.debt), fareOf(account)])),
      });
    }
  }

  /** Lanes with debts that nobody works on. */
  private wantedLanes(): string[] {
    if (isLong()) return [];
    return [...new Set([...this.accounts].map(([key, account]) => laneOf(key, account)))].filter((lane) => !this.lanes.has(lane));
  }

  private inLane(lane: string): [key: string, account: Account][] {
    return [...this.accounts].filter(([key, account]) => laneOf(key, account) === lane);
  }

  /** What a debt waits for, however much somebody wants it tried. */
  private before(account: Account): Account | undefined {
    return this.inOrder ? partBefore(account, [...this.accounts.values()]) : undefined;
  }

  /** The debts of a lane that wait for no other. */
  private inTurn(lane: string): [key: string, account: Account][] {
    return this.inLane(lane).filter(([, account]) => this.before(account) === undefined);
  }

  private async settleLane(lane: string): Promise<void> {
    for (;;) {
      const own = this.inLane(lane);
      if (own.length === 0 || isLong()) return;
      const [key, account] = (this.goesOn ? this.inTurn(lane).find(([, one]) => isDue(one)) : own[0]) ?? [];
      if (key === undefined || account === undefined) {
        await this.untilDue(lane);
        continue;
      }
      account.nudged = false;
      delete account.nextTryAt;
      this.publish();
      const failures = await this.attempt(key, account);
      const [first, last] = [failures[0], failures.at(-1)];
      // Somebody repeats the teardown by hand: that is an attempt under way, and when it has ended the next one finds what it left.
      if (first instanceof WorkflowExecutionAlreadyStartedError) {
        this.publish();
        await condition(() => account.nudged || !this.accounts.has(key), FIRST_PAUSE_MS);
        continue;
      }
      if (failures.length === 0) {
        this.publish();
        continue;
      }
      account.holdsBack = keepsOrder(last, account);
      account.attempts += 1;
      account.lastError = problemOf(first);
      const pauseMs = putOff(account);
      if (this.goesOn && isAway(last)) putOffLike(account, this.inLane(lane));
      this.publish();
      if (!this.goesOn) await condition(() => account.nudged || !this.accounts.has(key), pauseMs);
    }
  }

  /** Waits until a debt of the lane is due. */
  private async untilDue(lane: string): Promise<void> {
    const next = Math.min(...this.inTurn(lane).map(([, { nextTryAt = 0 }]) => nextTryAt));
    const isWanted = (): boolean => {
      const own = this.inTurn(lane);
      return own.length === 0 || own.some(([, account]) => isDue(account));
    };
    if (await condition(isWanted, Math.max(next - Date.now(), 1))) return;
    for (const [, account] of this.inTurn(lane)) if ((account.nextTryAt ?? 0) <= next) account.nudged = true;
  }

  /** Does what is left of a debt. @returns what it failed with, each failure of a step that is still left */
  private async attempt(key: string, account: Account): Promise<unknown[]> {
    const { debt } = account;
    if (debt.kind === 'undo') return this.attemptSteps(key, account, debt);
    try {
      await executeChild('TeardownFabric', {
        // As of the request that was first made: who makes it again meets this one, and who asks with other options is told so (startRun).
        workflowId: debt.by,
        args: [debt.request],
        memo: { request: debt.asked ?? requestDigest(prepareRun('TeardownFabric', debt.request)) },
        parentClosePolicy: ParentClosePolicy.ABANDON,
      }).catch(unlessGone);
    } catch (error) {
      return [error];
    }
    // Nothing else: it may have been forgotten meanwhile, or told anew.
    this.accounts.delete(key);
    return [];
  }

  private async attemptSteps(key: string, account: Account, debt: UndoDebt): Promise<unknown[]> {
    const failures: unknown[] = [];
    const kept: OwedStep[] = [];
    for (const [index, step] of debt.steps.entries()) {
      if (index > 0 && (isLong() || !this.accounts.has(key))) return failures;
      try {
        await callUndo(activitiesFor(debt, step), step.call);
        account.pauseMs = FIRST_PAUSE_MS;
      } catch (error) {
        failures.push(error);
        kept.push(step);
        if (!this.goesOn || keepsOrder(error, account)) return failures;
      }
      account.debt = { ...debt, steps: [...kept, ...debt.steps.slice(index + 1)] };
      if (!this.goesOn) break;
      this.publish();
    }
    const isDone = account.debt.kind === 'undo' && account.debt.steps.length === 0;
    if (isDone) this.accounts.delete(key);
    return failures;
  }

  private publish(): void {
    const owed = this.told();
    setCurrentDetails(owedTable(owed));
    const peers = [...new Set(owed.flatMap((one) => one.peers))].sort();
    if (this.goesOn && this.published === peers.join()) return;
    this.published = peers.join();
    upsertSearchAttributes([
      { key: FABRIC_ATTRIBUTE, value: this.input.fabric },
      { key: PEERS_ATTRIBUTE, value: findableBy(peers) },
    ]);
  }
}

type UndoDebt = Extract<Debt, { readonly kind: 'undo' }>;

function activitiesFor({ peer, taskQueue }: UndoDebt, { title }: OwedStep): Activities {
  return proxyActivities<Activities>({
    ...settleOptions(),
    summary: peer === '' ? title : `${peer}: ${title}`,
    ...(taskQueue === undefined ? {} : { taskQueue }),
  });
}

/** Attempts under way end first; then a fresh history takes over. */
function isLong(): boolean {
  return workflowInfo().continueAsNewSuggested;
}

/** A teardown may concern many peers, and must not wait for one of them behind another debt. */
function laneOf(key: string, { debt }: Account): string {
  return debt.kind === 'undo' ? `peer ${debt.peer}` : key;
}

/** Whether nobody answers: the cluster, or the peer's own worker. Then there is no use in trying anything else of that peer. */
function isAway(error: unknown): boolean {
  return problemOf(error).code === 'unreachable' || isUnanswered(error);
}

function mayPass(error: unknown): boolean {
  const { code } = problemOf(error);
  return !NON_RETRYABLE_CODES.some((known) => known === code);
}

/** Whether what was meant to come later waits for what failed; with the attempts that failed before. */
function keepsOrder(error: unknown, { attempts }: Account): boolean {
  return isAway(error) || (mayPass(error) && attempts < ORDERLY_ATTEMPTS);
}

/** What is known of one debt's cluster holds for the others of its lane. */
function putOffLike({ nextTryAt = 0 }: Account, lane: readonly [string, Account][]): void {
  for (const [, account] of lane) account.nextTryAt = Math.max(account.nextTryAt ?? 0, nextTryAt);
}

/** A fabric without any of the peers, or none at all, needs no teardown. */
function unlessGone(error: unknown): void {
  const cause = error instanceof Error ? error.cause : undefined;
  if (problemOf(cause).code !== 'not_found') throw error;
}
