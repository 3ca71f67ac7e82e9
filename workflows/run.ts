// A run: the steps of one workflow, what undoes them, and what it tells of itself. Each step's undo is registered before
// the step is tried, because a step that timed out may still have happened. See docs/adr/0003-sagas.md.
import {
  ActivityFailure,
  CancellationScope,
  CancelledFailure,
  getExternalWorkflowHandle,
  isCancellation,
  patched,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  TimeoutFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { z } from 'zod';
import type { Activities, Attempted, Change, Debt, OwedStep } from '../src/contract/activities';
import { concerns, debtorsOf } from '../src/contract/debts';
import type { OwedCleanup } from '../src/contract/owed';
import { leaveSignal, statusQuery } from '../src/contract/messages';
import type { RunFailure } from '../src/contract/results';
import { FABRIC_ATTRIBUTE, findableBy, PEERS_ATTRIBUTE, SERVICE_ATTRIBUTE } from '../src/contract/search-attributes';
import type { Problem, Residue, Rollback, RunPhase, RunStatus, StepStatus } from '../src/contract/status';
import { claimIdOf, guardWorkflowId, type ClaimKind } from '../src/contract/workflow-ids';
import type { Claimant, InventoryEntry } from '../src/model/claimant';
import { durationMs } from '../src/model/duration';
import { differences } from '../src/model/inventory';
import { parseAll } from '../src/model/problems';
import { activityOptions, type Deadlines, type Patience } from './activity-options';
import { drain } from './drain';
import { callUndo, debtsOf, inChunks, type Owed } from './owing';
import { addressOf, type Place } from './place';
import { attemptsOf, failureOf, located, problemOf } from './problem';
import { statusTable } from './status-table';

/** What takes a step back. It is idempotent and needs nothing from the step's result; as it is data, another workflow can do it as well. */
export interface Undo extends OwedStep {
  /** It only tidies up after the step, which stays as it ended: nobody undoes a proof. */
  readonly tidies?: boolean;
}

export interface StepOptions {
  /** What an operator calls the step: `deploy gateway`. */
  readonly title: string;
  readonly peer?: Place | undefined;
  readonly patience?: Patience;
  /** Steps that share one undo name the same object; it is registered with the first of them. */
  readonly undo?: Undo;
}

interface RegisteredUndo {
  readonly undo: Undo;
  readonly stage: number;
  readonly peer: Place | undefined;
  readonly steps: string[];
}

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

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
  private readonly steps: Mutable<StepStatus>[] = [];
  private readonly undos: RegisteredUndo[] = [];
  private readonly inventories = new Map<string, { readonly peer: Place; readonly before: readonly InventoryEntry[] }>();
  private readonly deadlines: Deadlines;
  private phase: RunPhase = 'running';
  private problem: Problem | undefined;
  private rollback: Rollback | undefined;
  private stage = 0;
  /** The stage that lets others' requests in, if one has. */
  private carrying: number | undefined;
  /** What is known to be left over so far. */
  private readonly residue: Mutable<Residue>[] = [];
  /** What SettleCleanup is to do, and has not been told yet. */
  private readonly owed: Owed[] = [];
  private handOvers = 0;
  /** Peers that undoing has given up, with the reason: nothing else is tried there. */
  private readonly away = new Map<string, string>();
  /** The claims of others that this run takes away: what they concern is its doing, too. */
  private readonly taken = new Set<string>();
  /** What else it takes away, by peer. */
  private readonly takenObjects = new Map<string, readonly string[]>();
  private readonly failedSteps = new Map<unknown, StepStatus>();
  private present = false;
  /** Whether a step has changed anything so far. */
  changed = false;
  /** What is told of a run that fails, besides its problem and rollback. */
  findings: Pick<RunFailure, 'result'> = {};

  constructor(
    private readonly kind: string,
    claimKind: ClaimKind,
    request: Request,
  ) {
    const { workflowId, firstExecutionRunId } = workflowInfo();
    this.claimant = { fabric: request.fabric, id: claimIdOf(claimKind, workflowId), by: workflowId, run: firstExecutionRunId };
    this.deadlines = { stepMs: durationMs(request.deadlines.step), undoMs: durationMs(request.deadlines.undo) };
    setHandler(statusQuery, () => this.status());
    upsertSearchAttributes([{ key: FABRIC_ATTRIBUTE, value: request.fabric }]);
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
    for (const claim of claims) this.taken.add(claim);
  }

  /** The run takes these objects away, `Kind namespace/name`, whoever claims them, and answers for what becomes of them. */
  takesObjects(peer: string, objects: readonly string[]): void {
    this.takenObjects.set(peer, [...(this.takenObjects.get(peer) ?? []), ...objects]);
  }

  /** Something stays that the run should have removed. */
  leaves(residue: readonly Residue[]): void {
    this.residue.push(...residue);
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
    this.owed.push({ step, peer });
    await this.handOver(residue);
    return residue;
  }

  /** Begins a stage. Undoing goes back stage by stage; within one, peers are undone side by side. */
  beginStage(): void {
    this.stage += 1;
  }

  /** What comes next in this stage lets requests in: when it is undone, those on their way end before an earlier stage is. */
  carriesRequests(): void {
    this.carrying = this.stage;
  }

  /** Carries out one activity as a step, its undo registered first. @throws the activity's failure */
  async step<T>(options: StepOptions, act: (activities: Activities) => Promise<Attempted<T>>): Promise<T> {
    const step = this.open(options.title, options.peer);
    if (options.undo !== undefined) this.register(options.undo, options.peer, step.id);
    try {
      const activities = this.activities(step.id, options.title, options.peer, options.patience ?? 'act');
      // A peer's own worker may never have been there: the step's time is the time to wait for it.
      const isElsewhere = options.peer?.taskQueue !== undefined;
      const { value, attempts } = await (isElsewhere ? act(activities) : untilAnswered('step-until-answered', () => act(activities)));
      if (isChange(value) && value.changed) this.changed = true;
      this.close(step, { state: 'done', attempts, ...noteOf(value) });
      return value;
    } catch (error) {
      const attempts = attemptsOf(error);
      const problem = problemOf(error);
      this.failedSteps.set(error, step);
      this.close(step, { state: 'failed', lastError: located(problem, options.peer), ...(attempts === undefined ? {} : { attempts }) });
      throw error;
    }
  }

  /** Records what stands on a peer before the run changes anything there: the first half of the rollback's proof. */
  async recordInventory(peer: Place): Promise<void> {
    const { fabric } = this.claimant;
    const { entries } = await this.step({ title: 'record inventory', peer, patience: 'look' }, (activities) =>
      activities.takeInventory({ fabric, peer: addressOf(peer) }),
    );
    this.inventories.set(peer.name, { peer, before: entries });
  }

  /** Undoes what was done on one peer, while the others go on; what could not be undone is returned, and kept. */
  async rollBackPeer(name: string): Promise<readonly Residue[]> {
    const undos = this.undos.filter((entry) => entry.peer?.name === name);
    return CancellationScope.nonCancellable(async () => {
      const residue = [...(await this.undoChain(undos)), ...(await this.compareInventory(name, undos.length > 0))];
      await this.handOver(residue, [], this.takeOwed(name));
      this.leaves(residue);
      return residue;
    });
  }

  /** Undoes the whole run, latest stage first. Never throws: what could not be undone is in the residue. */
  async rollBack(error: unknown): Promise<Rollback> {
    const cause = error instanceof Error ? error.cause : undefined;
    const failed = this.failedSteps.get(error) ?? this.failedSteps.get(cause);
    this.phase = 'undoing';
    this.problem = located(problemOf(error), failed?.peer === undefined ? undefined : { name: failed.peer });
    this.publish();
    const undos = [...this.undos];
    for (const stage of [...new Set(undos.map((entry) => entry.stage))].sort((a, b) => b - a)) {
      const ofStage = undos.filter((entry) => entry.stage === stage);
      const peers = [...new Set(ofStage.flatMap((entry) => entry.peer?.name ?? []))];
      const chains = peers.map((name) => this.undoChain(ofStage.filter((entry) => entry.peer?.name === name)));
      this.leaves((await Promise.all(chains)).flat());
      this.leaves(await this.undoChain(ofStage.filter((entry) => entry.peer === undefined)));
      if (stage === this.carrying) await drain();
    }
    const touched = new Set(undos.flatMap((entry) => entry.peer?.name ?? []));
    const compared = await Promise.all([...this.inventories.keys()].map((name) => this.compareInventory(name, touched.has(name))));
    this.leaves(compared.flat());
    await this.handOver(this.residue);
    this.rollback = {
      ...(failed === undefined ? {} : { failedStep: failed.title }),
      ...(failed?.peer === undefined ? {} : { failedPeer: failed.peer }),
      undone: this.undone,
      inventories: Object.fromEntries([...this.counts].sort(([one], [other]) => (one < other ? -1 : 1))),
      residue: this.residue,
    };
    return this.rollback;
  }

  end(phase: RunPhase): void {
    this.phase = phase;
    this.publish();
  }

  private readonly undone: string[] = [];
  private readonly counts = new Map<string, { readonly before: number; readonly after: number }>();

  private status(): RunStatus {
    return {
      kind: this.kind,
      fabric: this.claimant.fabric,
      phase: this.phase,
      steps: this.steps,
      ...(this.problem === undefined ? {} : { problem: this.problem }),
      ...(this.rollback === undefined ? {} : { rollback: this.rollback }),
    };
  }

  private register(undo: Undo, peer: Place | undefined, step: string): void {
    const known = this.undos.find((entry) => entry.undo === undo);
    if (known === undefined) this.undos.push({ undo, stage: this.stage, peer, steps: [step] });
    else known.steps.push(step);
  }

  /** Takes the given undos back, latest first, each only once; a failed one does not stop the others. */
  private async undoChain(undos: readonly RegisteredUndo[]): Promise<Mutable<Residue>[]> {
    const residue: Mutable<Residue>[] = [];
    for (const entry of [...undos].reverse()) {
      this.undos.splice(this.undos.indexOf(entry), 1);
      const steps = entry.undo.tidies === true ? [] : this.steps.filter((step) => entry.steps.includes(step.id));
      const away = entry.peer === undefined ? undefined : this.away.get(entry.peer.name);
      if (away !== undefined && patched('away-is-owed')) {
        residue.push(this.leaveUndone(entry, steps, `not tried, because ${entry.peer?.name ?? ''} was given up: ${away}`));
        this.publish();
        continue;
      }
      const id = `${entry.steps[0] ?? idOf(entry.undo.title, entry.peer)}/undo`;
      for (const step of steps) step.state = 'undoing';
      this.publish();
      try {
        await untilAnswered('undo-until-answered', () =>
          callUndo(this.activities(id, `undo: ${entry.undo.title}`, entry.peer, 'undo'), entry.undo.call),
        );
        for (const step of steps) {
          step.state = 'undone';
          // What it had done is no longer so.
          delete step.note;
        }
        this.undone.push(`${entry.peer === undefined ? '' : `${entry.peer.name}: `}${entry.undo.title}`);
      } catch (error) {
        const { message } = problemOf(error);
        if (entry.peer !== undefined && isAway(error, entry.peer)) this.away.set(entry.peer.name, message);
        residue.push(this.leaveUndone(entry, steps, message));
      }
      this.publish();
    }
    return residue;
  }

  private leaveUndone({ undo, peer }: RegisteredUndo, steps: readonly Mutable<StepStatus>[], why: string): Mutable<Residue> {
    for (const step of steps) step.state = 'not-undone';
    this.owed.push({ step: { title: undo.title, call: undo.call }, peer });
    return { peer: peer?.name ?? '', object: undo.title, why };
  }

  /** What is owed to one peer, which is handed over by whoever takes it; what others still find out is theirs. */
  private takeOwed(name: string): readonly Owed[] {
    const isOwn = ({ peer }: Owed): boolean => peer?.name === name;
    if (this.owed.every(isOwn) || !patched('owed-peer-by-peer')) return this.owed.splice(0);
    const all = this.owed.splice(0);
    this.owed.push(...all.filter((one) => !isOwn(one)));
    return all.filter(isOwn);
  }

  /** Tells SettleCleanup what this run could not undo, and `more`; marks what that leaves on those peers. A cancelled run does so as well. */
  async handOver(
    residue: readonly Mutable<Residue>[],
    more: readonly Debt[] = [],
    owed: readonly Owed[] = this.owed.splice(0),
  ): Promise<void> {
    // Runs that were begun before there was a SettleCleanup end as they did then.
    if ((owed.length === 0 && more.length === 0) || !patched('owed-cleanup')) return;
    const steady = patched('owed-when-cancelled');
    const chunks = inChunks(owed);
    const batches = chunks.length > 1 && patched('owed-in-chunks') ? chunks : [owed];
    const failures = new Map<string, string>();
    const told = new Set<string>();
    for (const [index, batch] of batches.entries()) {
      // With several, every part is a debt of its own, and they are settled in this order.
      const part = (this.handOvers += 1);
      const debts = [...debtsOf(this.claimant, batch, part === 1 ? undefined : part), ...(index === 0 ? more : [])];
      const concerned = debts.flatMap((debt) => (debtorsOf(debt).length === 0 ? [''] : debtorsOf(debt)));
      const tell = () => this.tellOwed(part, debts);
      const failure = steady ? await CancellationScope.nonCancellable(tell) : await tell();
      for (const peer of concerned) {
        told.add(peer);
        if (failure !== undefined) failures.set(peer, failure);
      }
    }
    for (const one of residue.filter(({ peer }) => told.has(peer))) {
      const failure = failures.get(one.peer);
      if (failure === undefined) one.owed = true;
      else one.why = `${one.why}; nor could it be handed over: ${failure}`;
    }
  }

  /** @returns why SettleCleanup could not be told */
  private async tellOwed(count: number, debts: readonly Debt[]): Promise<string | undefined> {
    const { fabric } = this.claimant;
    const activities = this.activities(`fabric/hand-over-cleanup-${count}`, 'hand over owed cleanup', undefined, 'undo');
    try {
      await untilAnswered('hand-over-until-answered', () => activities.oweCleanup({ fabric, debts }));
      return undefined;
    } catch (error) {
      return problemOf(error).message;
    }
  }

  private async compareInventory(name: string, touched: boolean): Promise<Mutable<Residue>[]> {
    const known = this.inventories.get(name);
    if (known === undefined || !touched) return [];
    const { peer, before } = known;
    this.inventories.delete(name);
    try {
      // Where undoing has failed already the cluster is away, and is not waited for once more.
      const patience = this.residue.some((left) => left.peer === name) ? 'look' : 'undo';
      const activities = this.activities(`${idOf('compare inventory', peer)}/undo`, 'undo: compare inventory', peer, patience);
      const { value } = await untilAnswered('undo-until-answered', () =>
        activities.takeInventory({ fabric: this.claimant.fabric, peer: addressOf(peer) }),
      );
      this.counts.set(name, { before: before.length, after: value.entries.length });
      const objects = this.takenObjects.get(name);
      return differences(before, value.entries, this.claimant.id, this.taken, objects).map((difference) => ({ peer: name, ...difference }));
    } catch (error) {
      return [{ peer: name, object: 'inventory', why: `could not be compared: ${problemOf(error).message}` }];
    }
  }

  private activities(id: string, summary: string, peer: Place | undefined, patience: Patience): Activities {
    return proxyActivities<Activities>({
      ...activityOptions(patience, this.deadlines),
      activityId: id,
      summary: peer === undefined ? summary : `${peer.name}: ${summary}`,
      ...(peer?.taskQueue === undefined ? {} : { taskQueue: peer.taskQueue }),
    });
  }

  private open(title: string, peer: Place | undefined): Mutable<StepStatus> {
    const step: Mutable<StepStatus> = {
      id: this.freeId(title, peer),
      title,
      ...(peer === undefined ? {} : { peer: peer.name }),
      state: 'running',
      startedAt: Date.now(),
    };
    this.steps.push(step);
    this.publish();
    return step;
  }

  /** An id for one more step of this title. Different titles may read the same as ids, and Temporal takes each id once at a time. */
  private freeId(title: string, peer: Place | undefined): string {
    const base = idOf(title, peer);
    const nth = (count: number): string => (count === 1 ? base : `${base}-${count}`);
    let count = 1 + this.steps.filter((known) => known.title === title && known.peer === peer?.name).length;
    const isTaken = (): boolean => this.steps.some(({ id }) => id === nth(count));
    if (isTaken() && patched('distinct-step-ids')) while (isTaken()) count += 1;
    return nth(count);
  }

  private close(step: Mutable<StepStatus>, outcome: Partial<StepStatus>): void {
    Object.assign(step, outcome, { endedAt: Date.now() });
    this.publish();
  }

  private publish(): void {
    setCurrentDetails(statusTable(this.status()));
  }
}

/** How often a step or an undo is begun whose worker did not come back in time. */
const MOST_ROUNDS = 4;

/**
 * Carries out an activity, and begins it anew when its time ran out without an answer. A worker that tries tells in time what it failed with,
 * so nobody was there: the machine that ran both worker and server was off, say. A peer whose own worker is gone for good is given up in the end.
 * @param patch since when: runs that were begun before fail
 */
async function untilAnswered<T>(patch: `${string}-until-answered`, act: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round += 1) {
    try {
      return await act();
    } catch (error) {
      const isUnanswered = error instanceof ActivityFailure && error.cause instanceof TimeoutFailure;
      const isOver = !isUnanswered || round === MOST_ROUNDS || CancellationScope.current().consideredCancelled;
      if (isOver || !patched(patch)) throw error;
    }
  }
}

/**
 * Whether an undo failed because its cluster, or the peer's own worker, did not answer until its deadline. One that answers with an error
 * may do better with the next undo; and where nobody works on the fabric's own task queue, that says nothing of a cluster.
 */
function isAway(error: unknown, { taskQueue }: Place): boolean {
  const isUnanswered = error instanceof ActivityFailure && error.cause instanceof TimeoutFailure;
  return isUnanswered ? taskQueue !== undefined : problemOf(error).code === 'unreachable';
}

function idOf(title: string, peer: { readonly name: string } | undefined): string {
  return `${peer?.name ?? 'fabric'}/${title.replace(/[^a-z0-9]+/gi, '-')}`;
}

function isChange(value: unknown): value is Change {
  return typeof value === 'object' && value !== null && 'changed' in value;
}

function noteOf(value: unknown): { note?: string } {
  if (!isChange(value)) return {};
  return { note: value.note ?? (value.changed ? 'changed' : 'unchanged') };
}
