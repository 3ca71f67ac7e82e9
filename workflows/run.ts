// A run: the steps of one workflow, what undoes them, and what it tells of itself. Each step's undo is registered before
// the step is tried, because a step that timed out may still have happened. See docs/adr/0003-sagas.md.
import {
  CancellationScope,
  CancelledFailure,
  getExternalWorkflowHandle,
  isCancellation,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { z } from 'zod';
import type { Activities, Attempted, Change, Debt, OwedStep } from '../src/contract/activities';
import { concerns } from '../src/contract/debts';
import type { OwedCleanup } from '../src/contract/owed';
import { leaveSignal, statusQuery } from '../src/contract/messages';
import type { RunFailure } from '../src/contract/results';
import { FABRIC_ATTRIBUTE, findableBy, PEERS_ATTRIBUTE, SERVICE_ATTRIBUTE } from '../src/contract/search-attributes';
import type { Problem, Residue, Rollback, RunPhase, RunStatus, StepStatus } from '../src/contract/status';
import { claimIdOf, guardWorkflowId, type ClaimKind } from '../src/contract/workflow-ids';
import type { Claimant } from '../src/model/claimant';
import { durationMs } from '../src/model/duration';
import { parseAll } from '../src/model/problems';
import type { Patience } from './activity-options';
import { callActivities, type CallActivities } from './call-activities';
import { Debts } from './debts';
import { patched } from './patches';
import { addressOf, type Place } from './place';
import { attemptsOf, failureOf, located, problemOf } from './problem';
import { statusTable } from './status-table';
import { StepLog, type Mutable } from './step-log';
import type { Undo } from './undo';
import { Undoing } from './undoing';
import { untilAnswered } from './until-answered';

export interface StepOptions {
  /** What an operator calls the step: `deploy gateway`. */
  readonly title: string;
  readonly peer?: Place | undefined;
  readonly patience?: Patience;
  /** Steps that share one undo name the same object; it is registered with the first of them. */
  readonly undo?: Undo;
}

/** What every request has. */
interface Request {
  readonly fabric: string;
  readonly deadlines: { readonly step: string; readonly undo: string };
}

/**
 * Reads the workflow's input and carries out `body` as a run: answers `status`, undoes everything when the body fails
 * or is cancelled, and then fails with the first failure (details: RunFailure) or ends as cancelled.
 */
export async function asRun<S extends z.ZodType<Request>, R>(
  kind: string,
  claimKind: ClaimKind,
  schema: S,
  input: unknown,
  body: (run: Run, request: z.output<S>) => Promise<R>,
): Promise<R> {
  let request: z.output<S>;
  try {
    request = parseAll(schema, input, `${kind} input`);
  } catch (error) {
    const problem = problemOf(error);
    throw failureOf(problem, { problem, rollback: NOTHING_UNDONE }, undefined);
  }
  const run = new Run(kind, claimKind, request);
  try {
    const result = await body(run, request);
    run.end('done');
    await run.leave();
    return result;
  } catch (error) {
    const problem = problemOf(error);
    const { consideredCancelled } = CancellationScope.current();
    const rollback = await CancellationScope.nonCancellable(() => run.rollBack(error));
    await run.leave();
    if (isCancellation(error) || isCancelled(consideredCancelled)) {
      run.end('cancelled');
      throw isCancellation(error) ? error : new CancelledFailure('cancelled');
    }
    run.end('failed');
    throw failureOf(problem, { problem, rollback, ...run.findings }, error);
  }
}

/**
 * Whether the run was to be cancelled: a step whose worker died before it heard of that fails for another reason.
 * @param before whether it was so when it failed; what has failed by itself and is cancelled while it is undone keeps its failure
 */
function isCancelled(before: boolean): boolean {
  if (!CancellationScope.current().consideredCancelled || !patched('cancelled-whatever-failed')) return false;
  return before || !patched('failed-before-cancelled');
}

const NOTHING_UNDONE: Rollback = { undone: [], inventories: {}, residue: [] };

/** One workflow's steps and undos. */
export class Run {
  /** The claim that this run puts on what it needs. */
  readonly claimant: Claimant;
  private readonly activities: CallActivities;
  private readonly steps = new StepLog(() => this.publish());
  private readonly debts: Debts;
  private readonly undoing: Undoing;
  private phase: RunPhase = 'running';
  private problem: Problem | undefined;
  private rollback: Rollback | undefined;
  private readonly failedSteps = new Map<unknown, StepStatus>();
  private present = false;
  /** Whether a step has changed anything so far. */
  changed = false;
  /** What is told of a run that fails, besides its problem and rollback. */
  findings: Pick<RunFailure, 'result'> = {};

  constructor(
    private readonly kind: string,
    claimKind: ClaimKind,
    { fabric, deadlines }: Request,
  ) {
    const { workflowId, firstExecutionRunId } = workflowInfo();
    this.claimant = { fabric, id: claimIdOf(claimKind, workflowId), by: workflowId, run: firstExecutionRunId };
    this.activities = callActivities({ stepMs: durationMs(deadlines.step), undoMs: durationMs(deadlines.undo) });
    this.debts = new Debts(this.claimant, this.activities);
    this.undoing = new Undoing({
      claimant: this.claimant,
      steps: this.steps,
      debts: this.debts,
      activities: this.activities,
      publish: () => this.publish(),
    });
    setHandler(statusQuery, () => this.status());
    upsertSearchAttributes([{ key: FABRIC_ATTRIBUTE, value: fabric }]);
  }

  /** Makes the run findable by the peers and the service it touches. */
  touches(peers: readonly string[], service?: { readonly namespace: string; readonly name: string }): void {
    upsertSearchAttributes([
      { key: PEERS_ATTRIBUTE, value: findableBy(peers) },
      ...(service === undefined ? [] : [{ key: SERVICE_ATTRIBUTE, value: `${service.namespace}/${service.name}` }]),
    ]);
  }

  /** The run comes to work on peers, or waits for that: it leaves when it ends. */
  enters(): void {
    this.present = true;
  }

  /** Whoever waits to be alone need not wait for this run any more. A guard that is gone keeps no account. */
  async leave(): Promise<void> {
    if (!this.present) return;
    const { workflowId, runId } = workflowInfo();
    const guard = getExternalWorkflowHandle(guardWorkflowId(this.claimant.fabric));
    await CancellationScope.nonCancellable(() => guard.signal(leaveSignal, { workflowId, runId })).catch(() => undefined);
  }

  /** The run takes these claims of others away, and answers for what becomes of them. */
  takesAway(claims: readonly string[]): void {
    this.undoing.takesAway(claims);
  }

  /** The run takes these objects away, `Kind namespace/name`, whoever claims them, and answers for what becomes of them. */
  takesObjects(peer: string, objects: readonly string[]): void {
    this.undoing.takesObjects(peer, objects);
  }

  /** Something stays that the run should have removed. */
  leaves(residue: readonly Residue[]): void {
    this.undoing.leaves(residue);
  }

  /**
   * Waits until earlier runs' owed cleanup of these peers is done, so that it cannot take back what this run does.
   * @param of the one peer that it is waited for, if it is one @returns whether there was any @throws pending
   */
  async awaitSettled(owed: readonly OwedCleanup[], peers: readonly string[], of?: Place): Promise<boolean> {
    if (!owed.some((one) => concerns(one.peers, peers))) return false;
    const { fabric } = this.claimant;
    // On the fabric's own task queue, not the peer's: the debts are kept there.
    const options: StepOptions = { title: 'settle owed cleanup', patience: 'look', peer: of && addressOf(of) };
    await this.step(options, (activities) => activities.awaitSettled({ fabric, peers }));
    return true;
  }

  /** Hands over one more step that could not be done, on a peer or for the fabric itself, and tells what it leaves. */
  async owes(peer: Place | undefined, step: OwedStep, why: string): Promise<readonly Residue[]> {
    const residue: Mutable<Residue>[] = [{ peer: peer?.name ?? '', object: step.title, why }];
    this.debts.add({ step, peer });
    await this.debts.handOver(residue);
    return residue;
  }

  /** Hands over what is left of peers that leave; marks what that leaves on them. */
  handOver(residue: readonly Mutable<Residue>[], debts: readonly Debt[]): Promise<void> {
    return this.debts.handOver(residue, debts);
  }

  /** Begins a stage. Undoing goes back stage by stage; within one, peers are undone side by side. */
  beginStage(): void {
    this.undoing.beginStage();
  }

  /** What comes next in this stage lets requests in: when it is undone, those on their way end before an earlier stage is. */
  carriesRequests(): void {
    this.undoing.carriesRequests();
  }

  /** Carries out one activity as a step, its undo registered first. @throws the activity's failure */
  async step<T>(options: StepOptions, act: (activities: Activities) => Promise<Attempted<T>>): Promise<T> {
    const step = this.steps.open(options.title, options.peer);
    if (options.undo !== undefined) this.undoing.register(options.undo, options.peer, step.id);
    try {
      const activities = this.activities(step.id, options.title, options.peer, options.patience ?? 'act');
      // A peer's own worker may never have been there: the step's time is the time to wait for it.
      const isElsewhere = options.peer?.taskQueue !== undefined;
      const { value, attempts } = await (isElsewhere ? act(activities) : untilAnswered('step-until-answered', () => act(activities)));
      if (isChange(value) && value.changed) this.changed = true;
      this.steps.close(step, { state: 'done', attempts, ...noteOf(value) });
      return value;
    } catch (error) {
      const attempts = attemptsOf(error);
      const problem = problemOf(error);
      this.failedSteps.set(error, step);
      this.steps.close(step, {
        state: 'failed',
        lastError: located(problem, options.peer),
        ...(attempts === undefined ? {} : { attempts }),
      });
      throw error;
    }
  }

  /** Records what stands on a peer before the run changes anything there: the first half of the rollback's proof. */
  async recordInventory(peer: Place): Promise<void> {
    const { fabric } = this.claimant;
    const { entries } = await this.step({ title: 'record inventory', peer, patience: 'look' }, (activities) =>
      activities.takeInventory({ fabric, peer: addressOf(peer) }),
    );
    this.undoing.keepInventory(peer, entries);
  }

  /** Undoes what was done on one peer, while the others go on; what could not be undone is returned, and kept. */
  rollBackPeer(name: string): Promise<readonly Residue[]> {
    return this.undoing.undoPeer(name);
  }

  /** Undoes the whole run, latest stage first. Never throws: what could not be undone is in the residue. */
  async rollBack(error: unknown): Promise<Rollback> {
    const cause = error instanceof Error ? error.cause : undefined;
    const failed = this.failedSteps.get(error) ?? this.failedSteps.get(cause);
    this.phase = 'undoing';
    this.problem = located(problemOf(error), failed?.peer === undefined ? undefined : { name: failed.peer });
    this.publish();
    const outcome = await this.undoing.undoAll();
    this.rollback = {
      ...(failed === undefined ? {} : { failedStep: failed.title }),
      ...(failed?.peer === undefined ? {} : { failedPeer: failed.peer }),
      ...outcome,
    };
    return this.rollback;
  }

  end(phase: RunPhase): void {
    this.phase = phase;
    this.publish();
  }

  private status(): RunStatus {
    return {
      kind: this.kind,
      fabric: this.claimant.fabric,
      phase: this.phase,
      steps: this.steps.all(),
      ...(this.problem === undefined ? {} : { problem: this.problem }),
      ...(this.rollback === undefined ? {} : { rollback: this.rollback }),
    };
  }

  private publish(): void {
    setCurrentDetails(statusTable(this.status()));
  }
}

function isChange(value: unknown): value is Change {
  return typeof value === 'object' && value !== null && 'changed' in value;
}

function noteOf(value: unknown): { note?: string } {
  if (!isChange(value)) return {};
  return { note: value.note ?? (value.changed ? 'changed' : 'unchanged') };
}
