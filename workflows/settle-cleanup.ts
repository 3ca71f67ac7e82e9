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
import type { Activities, Debt } from '../src/contract/activities';
import { debtKey, debtorsOf, type SettleInput } from '../src/contract/debts';
import { forgetSignal, oweSignal, owedQuery, retrySignal, statusQuery } from '../src/contract/messages';
import type { OwedCleanup } from '../src/contract/owed';
import { FABRIC_ATTRIBUTE, PEERS_ATTRIBUTE } from '../src/contract/search-attributes';
import type { Problem, RunStatus, StepStatus } from '../src/contract/status';
import { teardownWorkflowId } from '../src/contract/workflow-ids';
import { settleOptions } from './activity-options';
import { callUndo } from './owing';
import { problemOf } from './problem';

/** A cluster that was away for a moment is tried again soon; one that stays away is not hammered. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 10 * 60_000;

/** A debt, and how it fares. */
interface Account {
  debt: Debt;
  attempts: number;
  lastError?: Problem;
  nextTryAt?: number;
  /** Somebody wants it tried now. */
  nudged: boolean;
}

/** Input: `SettleInput`; debts come by signal. Never fails: what cannot be done is tried again, and shown by the `owed` query. */
export async function SettleCleanup(input: SettleInput): Promise<void> {
  const settling = new Settling(input);
  setHandler(owedQuery, () => settling.told());
  setHandler(statusQuery, () => settling.status());
  setHandler(oweSignal, (debts) => settling.add(debts));
  setHandler(retrySignal, ({ peers }) => settling.nudge(peers));
  setHandler(forgetSignal, ({ peers, undoOnly = false }) => settling.forget(peers, undoOnly));
  await settling.run();
}

class Settling {
  private readonly accounts = new Map<string, Account>();
  /** Debts of one peer are settled one after the other, oldest first. */
  private readonly lanes = new Map<string, Promise<void>>();

  constructor(private readonly input: SettleInput) {
    this.add(input.debts ?? []);
  }

  add(debts: readonly Debt[]): void {
    for (const debt of debts) {
      const known = this.accounts.get(debtKey(debt));
      if (known === undefined) this.accounts.set(debtKey(debt), { debt, attempts: 0, nudged: false });
      else if (debt.kind === 'teardown') known.debt = { ...debt, since: known.debt.since };
    }
    this.publish();
  }

  nudge(peers: readonly string[] | undefined): void {
    for (const account of this.accounts.values()) {
      const concerned = debtorsOf(account.debt);
      if (peers === undefined || concerned.length === 0 || concerned.some((peer) => peers.includes(peer))) account.nudged = true;
    }
  }

  forget(peers: readonly string[], undoOnly: boolean): void {
    for (const [key, account] of this.accounts) {
      const concerned = debtorsOf(account.debt);
      if (concerned.length === 0 || !concerned.every((peer) => peers.includes(peer))) continue;
      // A teardown tells this while it still runs: when it has ended, its next attempt finds nothing left.
      if (undoOnly && account.debt.kind === 'teardown') account.nudged = true;
      else this.accounts.delete(key);
    }
    this.publish();
  }

  told(): OwedCleanup[] {
    return [...this.accounts.values()].map(({ debt, attempts, lastError, nextTryAt }) => ({
      kind: debt.kind,
      by: debt.by,
      run: debt.run,
      since: debt.since,
      peers: debtorsOf(debt),
      left: debt.kind === 'undo' ? debt.steps.map(({ title }) => title) : ['tear down'],
      attempts,
      ...(lastError === undefined ? {} : { lastError }),
      ...(nextTryAt === undefined ? {} : { nextTryAt }),
    }));
  }

  /** As runs tell of themselves: what is owed are steps that go on. */
  status(): RunStatus {
    const steps = this.told().flatMap(({ by, run, peers, left, attempts, lastError }) =>
      left.map((title, index): StepStatus => ({
        id: `${run}/${peers.join('+')}/${index}`,
        title: `${title} of ${by}`,
        ...(peers.length === 1 ? { peer: peers[0] ?? '' } : {}),
        state: 'running',
        ...(index === 0 ? { attempts, ...(lastError === undefined ? {} : { lastError }) } : {}),
      })),
    );
    return { kind: 'SettleCleanup', fabric: this.input.fabric, phase: 'running', steps };
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
      const debts = [...this.accounts.values()].map(({ debt }) => debt);
      await continueAsNew<typeof SettleCleanup>({ fabric: this.input.fabric, debts });
    }
  }

  /** Lanes with debts that nobody works on. */
  private wantedLanes(): string[] {
    if (isLong()) return [];
    return [...new Set([...this.accounts.values()].map(({ debt }) => laneOf(debt)))].filter((lane) => !this.lanes.has(lane));
  }

  private async settleLane(lane: string): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    for (;;) {
      const [key, account] = [...this.accounts].find(([, { debt }]) => laneOf(debt) === lane) ?? [];
      if (key === undefined || account === undefined || isLong()) return;
      account.nudged = false;
      delete account.nextTryAt;
      this.publish();
      try {
        await this.attempt(key, account);
        this.publish();
        pauseMs = FIRST_PAUSE_MS;
      } catch (error) {
        // A teardown that somebody has cancelled fails with a cancellation as well; only its own ends this workflow.
        if (CancellationScope.current().consideredCancelled) throw error;
        // Somebody repeats the teardown by hand: that is an attempt under way, and when it has ended the next one finds what it left.
        if (error instanceof WorkflowExecutionAlreadyStartedError) {
          this.publish();
          await condition(() => account.nudged || !this.accounts.has(key), FIRST_PAUSE_MS);
          continue;
        }
        account.attempts += 1;
        account.lastError = problemOf(error);
        account.nextTryAt = Date.now() + pauseMs;
        this.publish();
        await condition(() => account.nudged || !this.accounts.has(key), pauseMs);
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
    }
  }

  /** Does what is left of a debt, step by step. @throws the first failure; what was done before it is done */
  private async attempt(key: string, account: Account): Promise<void> {
    const { debt } = account;
    if (debt.kind === 'teardown') {
      await executeChild('TeardownFabric', {
        workflowId: teardownWorkflowId(debt.request),
        args: [debt.request],
        parentClosePolicy: ParentClosePolicy.ABANDON,
      }).catch(unlessGone);
    } else {
      const { steps, peer, taskQueue } = debt;
      const [step, ...rest] = steps;
      if (step !== undefined) {
        const activities = proxyActivities<Activities>({
          ...settleOptions(),
          summary: peer === '' ? step.title : `${peer}: ${step.title}`,
          ...(taskQueue === undefined ? {} : { taskQueue }),
        });
        await callUndo(activities, step.call);
      }
      if (rest.length > 0) {
        account.debt = { ...debt, steps: rest };
        return;
      }
    }
    // Nothing else: it may have been forgotten meanwhile, or, a teardown, told anew.
    this.accounts.delete(key);
  }

  private publish(): void {
    const told = this.told();
    upsertSearchAttributes([
      { key: FABRIC_ATTRIBUTE, value: this.input.fabric },
      { key: PEERS_ATTRIBUTE, value: [...new Set(told.flatMap(({ peers }) => peers))].sort() },
    ]);
    setCurrentDetails(owedTable(told));
  }
}

/** Attempts under way end first; then a fresh history takes over. */
function isLong(): boolean {
  return workflowInfo().continueAsNewSuggested;
}

/** A teardown may concern many peers, and must not wait for one of them behind another debt. */
function laneOf(debt: Debt): string {
  return debt.kind === 'undo' ? `peer ${debt.peer}` : debtKey(debt);
}

/** A fabric, or a peer, that is not there any more needs no teardown. */
function unlessGone(error: unknown): void {
  const cause = error instanceof Error ? error.cause : undefined;
  if (problemOf(cause).code !== 'not_found') throw error;
}

function owedTable(told: readonly OwedCleanup[]): string {
  if (told.length === 0) return 'Nothing is owed.';
  const cell = (text: string): string => text.replace(/[|\n\r]/g, ' ');
  return [
    '| peers | owed by | left | attempts | last failure |',
    '|---|---|---|---|---|',
    ...told.map(
      ({ peers, by, left, attempts, lastError }) =>
        `| ${peers.join(', ')} | ${cell(by)} | ${left.map(cell).join(', ')} | ${attempts} | ${cell(lastError?.message ?? '')} |`,
    ),
  ].join('\n');
}
