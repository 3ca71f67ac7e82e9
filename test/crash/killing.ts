// Kills one worker under many runs at once, lets another one take over, and looks how each run ends.
import { setTimeout as delay } from 'node:timers/promises';
import type { temporal } from '@temporalio/proto';
import { prepareRun } from '../../src/contract/runs';
import { outcomeOf, type Outcome } from '../support/fabric';
import type { Hold } from '../support/holds';
import { WorkerProcess, type WorkerSetup } from '../support/worker-process';
import type { Lane, Scenario } from './lane';
import { activityIdsIn, countWrites, describePoint, type Course, type Model, type Point, WRITES } from './points';

export interface Case {
  readonly scenario: Scenario;
  readonly model: Model;
  readonly point: Point;
}

/** A case in its lane. */
export type Placed = Case & { readonly lane: Lane };

/** How a run that was killed has ended. */
export interface Ended {
  readonly scenario: Scenario;
  readonly point: Point;
  readonly end: 'whole' | 'as before';
  /** As Temporal tells it. */
  readonly status: 'done' | 'failed' | 'cancelled';
  /** From the kill to the end of the run. */
  readonly recoveryMs: number;
}

/** One that ended otherwise than it must; its lane cannot be used any more. */
export interface Broken {
  readonly scenario: Scenario;
  readonly point: Point;
  readonly lane: Lane;
  readonly end: 'broken';
  readonly problem: string;
}

type StartedRun = Outcome<unknown>['run'];

/** A run that stands at its point. */
export interface Stopped extends Placed {
  readonly before: object;
  readonly run: StartedRun;
}

const POLL_MS = 50;
/** Long enough for a busy machine. */
const REACH_MS = 120_000;

/** A worker, and what is done to it. */
export class Killing {
  /** Steps that fail whatever worker tries them. */
  private failing: readonly Hold[] = [];

  private constructor(
    private readonly setup: WorkerSetup,
    /** All that work now. */
    private workers: readonly WorkerProcess[],
  ) {}

  static async start(setup: WorkerSetup): Promise<Killing> {
    return new Killing(setup, [await WorkerProcess.start(setup)]);
  }

  /** Kills every worker. */
  async close(): Promise<void> {
    await Promise.all(this.retire().map((worker) => worker.kill()));
  }

  /** Every worker; from now on they are the caller's. */
  retire(): readonly WorkerProcess[] {
    const { workers } = this;
    this.workers = [];
    return workers;
  }

  /** Lets a run of the scenario end whole, or fail at its last step, or both in turn, and tells what they did; the lane ends where the scenario begins. */
  async model(lane: Lane, scenario: Scenario, ends: 'whole' | 'undone' | 'both'): Promise<Model> {
    await lane.enter(scenario);
    const model: { -readonly [Part in keyof Model]: Model[Part] } = {};
    if (ends !== 'undone') {
      model.whole = { ...(await courseOf(lane, scenario)), shape: await lane.shape() };
      await scenario.revert(lane);
    }
    if (ends !== 'whole' && scenario.lastStep !== undefined) {
      const fails = failing(lane, scenario, scenario.lastStep);
      this.everyWorker((worker) => worker.hold([fails]));
      model.undone = await courseOf(lane, scenario);
      this.everyWorker((worker) => worker.disarm([fails]));
    }
    return model;
  }

  /** Brings each run to its point, where it waits. @throws when one does not come there */
  async bring(cases: readonly Placed[]): Promise<Stopped[]> {
    const { stopped, broken } = await this.bringEach(cases);
    if (broken[0] !== undefined) throw new Error(broken[0].problem);
    return stopped;
  }

  private async bringEach(cases: readonly Placed[]): Promise<{ readonly stopped: Stopped[]; readonly broken: Broken[] }> {
    this.everyWorker((worker) => worker.disarm(this.failing));
    await Promise.all(cases.map(({ lane, scenario }) => lane.enter(scenario)));
    this.failing = cases.flatMap(({ lane, scenario, point }) =>
      point.fate === 'fails' && scenario.lastStep !== undefined ? [failing(lane, scenario, scenario.lastStep)] : [],
    );
    this.everyWorker((worker) => worker.hold(this.failing));
    const placed: (Placed & { readonly before: object })[] = [];
    // One by one: their requests have deadlines, and this process serves them all. And before any run waits at its point.
    for (const one of cases) placed.push({ ...one, before: await one.lane.state() });
    const broken: Broken[] = [];
    const brought = await Promise.all(
      placed.map(async (one): Promise<Stopped[]> => {
        try {
          return [await this.stop(one)];
        } catch (error) {
          broken.push(brokenBy(error, one));
          return [];
        }
      }),
    );
    const stopped = brought.flat();
    const reported = stopped.filter(({ point }) => 'moment' in point && point.moment === 'reported');
    if (reported.length > 0) {
      this.everyWorker((worker) => worker.freeze());
      await Promise.all(reported.map((one) => within(one.point, untilHistory(one, hasCompleted))));
    }
    return { stopped, broken };
  }

  /** Brings each run to its point, kills the worker, and tells how each run ended; the lanes of those that ended well are where they were. */
  async kill(cases: readonly Placed[]): Promise<(Ended | Broken)[]> {
    const { stopped, broken } = await this.bringEach(cases);
    await this.close();
    const killedAt = Date.now();
    await Promise.all(stopped.map(refuseIfGoneOn));
    stopped.forEach(({ lane }) => lane.harness.faults.clear());
    await this.addWorker();
    const ended = await Promise.all(
      stopped.map(async (one) => {
        try {
          const end = await lookAtEnd(one, killedAt);
          if (end.end === 'whole') await one.scenario.revert(one.lane);
          return end;
        } catch (error) {
          return brokenBy(error, one);
        }
      }),
    );
    return [...ended, ...broken];
  }

  /** One more worker for all runs. */
  async addWorker(): Promise<WorkerProcess> {
    const worker = await WorkerProcess.start(this.setup, this.failing);
    this.workers = [...this.workers, worker];
    return worker;
  }

  /** One of those that work. */
  any(): WorkerProcess {
    return this.workers[0] as WorkerProcess;
  }

  /** Kills one of several. */
  async lose(worker: WorkerProcess): Promise<void> {
    this.workers = this.workers.filter((other) => other !== worker);
    await worker.kill();
  }

  everyWorker(act: (worker: WorkerProcess) => void): void {
    this.workers.forEach(act);
  }

  private async stop(one: Placed & { readonly before: object }): Promise<Stopped> {
    const { lane, scenario, point } = one;
    const reached = this.reach(lane, scenario, point);
    const run = await lane.harness.begin(scenario.kind, scenario.input(lane));
    const stopped = { ...one, run };
    const ended = outcomeOf(run).then((outcome) => {
      throw new Error(`${told(stopped)} ended before it got there: ${JSON.stringify({ ...outcome, run: undefined })}`);
    });
    ended.catch(() => undefined); // Later it is to end.
    try {
      await within(point, Promise.race([reached, ended]));
      if (point.fate === 'is cancelled') {
        await run.handle.cancel();
        await within(point, untilHistory(stopped, hasCancelReached));
      }
    } catch (error) {
      await run.handle.terminate('it did not come to its point').catch(() => undefined); // It has ended.
      throw error;
    }
    return stopped;
  }

  /** Resolves when the scenario's next run waits at the point. */
  private async reach(lane: Lane, scenario: Scenario, point: Point): Promise<void> {
    if ('write' in point) {
      const waiting = lane.harness.faults.add({ match: { server: point.cluster, ...WRITES }, fault: 'hang', nth: point.write });
      await until(() => waiting.fired() === 1);
    } else {
      const { workflowId } = prepareRun(scenario.kind, scenario.input(lane));
      const hold: Hold = { workflowId, activityId: point.activityId, moment: point.moment };
      this.everyWorker((worker) => worker.hold([hold]));
      await Promise.race(this.workers.map((worker) => worker.held(hold)));
    }
  }
}

async function courseOf(lane: Lane, scenario: Scenario): Promise<Course> {
  const counter = countWrites(lane.harness);
  const { run } = await lane.harness.run(scenario.kind, scenario.input(lane));
  return { writes: counter.end(), activityIds: activityIdsIn(await lane.harness.history(run)) };
}

/** A run that was to stand between two workflow tasks must do so still. */
async function refuseIfGoneOn(one: Stopped): Promise<void> {
  const { lane, run, point } = one;
  if (!('moment' in point) || point.moment !== 'reported') return;
  if (wentOn(await lane.harness.history(run), point)) throw new Error(`${told(one)} went on before the worker was killed`);
}

/** How a run ended, made sure of: whole, with all that it promises, or as it was. */
export async function lookAtEnd(one: Stopped, killedAt: number): Promise<Ended> {
  const { lane, scenario, point, run, before, model } = one;
  const outcome = await outcomeOf(run);
  const recoveryMs = Date.now() - killedAt;
  const what = told(one);
  if (outcome.result !== undefined) {
    expect({ what, fate: point.fate }).toEqual({ what, fate: 'goes on' });
    expect({ what, ...(await lane.shape()) }).toEqual({ what, ...model.whole?.shape });
    if (scenario.answer !== undefined) expect({ what, answer: await lane.callService() }).toEqual({ what, answer: scenario.answer });
    return { scenario, point, end: 'whole', status: 'done', recoveryMs };
  }
  const { failure, cancelled } = outcome;
  const ended = cancelled ? 'cancelled' : `failed: ${failure?.message ?? ''}`;
  expect({ what, ended, fate: point.fate }).not.toMatchObject({ fate: 'goes on' });
  expect({ what, ended, residue: failure?.details.rollback.residue ?? [] }).toEqual({ what, ended, residue: [] });
  expect({ what, ended, ...(await lane.state()) }).toEqual({ what, ended, ...before });
  return { scenario, point, end: 'as before', status: cancelled ? 'cancelled' : 'failed', recoveryMs };
}

function brokenBy(error: unknown, { scenario, point, lane }: Placed): Broken {
  return { scenario, point, lane, end: 'broken', problem: String(error) };
}

function told({ scenario, point }: Case): string {
  return `${scenario.title}, killed ${describePoint(point)}`;
}

function failing(lane: Lane, scenario: Scenario, activityId: string): Hold {
  return { workflowId: prepareRun(scenario.kind, scenario.input(lane)).workflowId, activityId, moment: 'fails' };
}

type History = temporal.api.history.v1.IHistory;

async function untilHistory({ lane, run, point }: Stopped, shows: (history: History, point: Point) => boolean): Promise<void> {
  await until(async () => shows(await lane.harness.history(run), point));
}

/** Where in the history the point's activity was scheduled, for the last time. */
function scheduledId({ events }: History, point: Point): number | undefined {
  const scheduled = (events ?? []).findLast(
    ({ activityTaskScheduledEventAttributes: one }) => one != null && 'activityId' in point && one.activityId === point.activityId,
  );
  return scheduled === undefined ? undefined : Number(scheduled.eventId);
}

function completedIndex(history: History, point: Point): number {
  const id = scheduledId(history, point);
  return (history.events ?? []).findIndex(
    ({ activityTaskCompletedEventAttributes: one }) => one != null && Number(one.scheduledEventId) === id,
  );
}

const hasCompleted = (history: History, point: Point): boolean => completedIndex(history, point) >= 0;

/** Whether the workflow has done anything since its activity ended. */
function wentOn(history: History, point: Point): boolean {
  const since = (history.events ?? []).slice(completedIndex(history, point) + 1);
  return since.some(({ workflowTaskCompletedEventAttributes: one }) => one != null);
}

const hasCancelReached = (history: History, point: Point): boolean => {
  const id = scheduledId(history, point);
  return (history.events ?? []).some(
    ({ activityTaskCancelRequestedEventAttributes: one }) => one != null && Number(one.scheduledEventId) === id,
  );
};

/** Asks until it is so. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(POLL_MS);
}

async function within<T>(point: Point, event: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = delay(REACH_MS, undefined, { signal: over.signal }).then(() => {
    throw new Error(`nothing within ${REACH_MS / 1_000} s: ${describePoint(point)}`);
  });
  try {
    return await Promise.race([event, late]);
  } finally {
    late.catch(() => undefined);
    over.abort();
  }
}
