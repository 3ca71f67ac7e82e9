// Starting a planned run and waiting for its end, whatever it is.
import { setTimeout as delay } from 'node:timers/promises';
import { isGrpcServiceError } from '@temporalio/client';
import { statusQuery } from '../../src/contract/messages';
import { prepareRun } from '../../src/contract/runs';
import type { BootstrapResult } from '../../src/contract/results';
import type { Residue } from '../../src/contract/status';
import { isFabricError } from '../../src/errors/fabric-error';
import { durationMs } from '../../src/model/duration';
import { startRun, type StartedRun } from '../../src/temporal/runs';
import { outcomeOf } from '../support/fabric';
import type { Journal } from './journal';
import { requestOf, type Request } from './requests';
import type { RunPlan, Schedule } from './schedule';
import type { TrialWorker } from './worker';
import type { World } from './world';

/** A run that has ended, or that was refused before it began. */
export interface EndedRun {
  readonly plan: RunPlan;
  readonly workflowId: string;
  /** Empty when it never began. */
  readonly runId: string;
  readonly how: 'done' | 'failed' | 'cancelled' | 'refused' | 'stuck';
  /** The failure's code. */
  readonly code?: string;
  readonly message?: string;
  readonly residue: readonly Residue[];
}

/** Of one run's steps and undos each may take its whole deadline; this many of them follow each other at most. */
const STEPS = 12;
const UNDOS = 8;
/** For a busy machine. */
const SLACK_MS = 60_000;

export interface Going {
  readonly workflowId: string;
  /** Absent when the run was refused. */
  readonly started: StartedRun<unknown> | undefined;
  readonly ended: Promise<EndedRun>;
}

/** Starts runs of one world. */
export class Runner {
  constructor(
    private readonly worker: TrialWorker,
    private readonly world: World,
    private readonly deadlines: Schedule['deadlines'],
    private readonly journal: Journal,
  ) {}

  /** The id that a plan's run will have. */
  workflowId(plan: RunPlan): string {
    return prepare(this.requestOf(plan));
  }

  async begin(plan: RunPlan): Promise<Going> {
    const request = this.requestOf(plan);
    const workflowId = prepare(request);
    try {
      const { client } = this.worker.environment;
      const started = await startRun(client, request.kind, request.input, this.worker.taskQueue);
      return { workflowId, started, ended: this.end(plan, started) };
    } catch (error) {
      if (!isFabricError(error)) throw error;
      const refused: EndedRun = { plan, workflowId, runId: '', how: 'refused', code: error.code, message: error.message, residue: [] };
      return { workflowId, started: undefined, ended: Promise.resolve(refused) };
    }
  }

  /** Begins a run and waits for it. */
  async run(plan: RunPlan): Promise<EndedRun> {
    return (await this.begin(plan)).ended;
  }

  private requestOf(plan: RunPlan): Request {
    return requestOf(plan, { fabric: this.world.fabric, deadlines: this.deadlines, peerOf: this.world.peerOf });
  }

  private async end(plan: RunPlan, started: StartedRun<unknown>): Promise<EndedRun> {
    const ended = await this.await(plan, started);
    const isWell = ended.how === 'done';
    if (isWell) this.world.succeeded.add(ended.runId);
    this.world.latest.set(ended.workflowId, isWell);
    return ended;
  }

  private async await(plan: RunPlan, started: StartedRun<unknown>): Promise<EndedRun> {
    const { workflowId, runId, handle } = started;
    const known = { plan, workflowId, runId };
    const outcome = await within(
      outcomeOf(started),
      STEPS * durationMs(this.deadlines.step) + UNDOS * durationMs(this.deadlines.undo) + SLACK_MS,
    );
    if (outcome === undefined) {
      await handle.terminate('it is stuck').catch(() => undefined);
      return { ...known, how: 'stuck', residue: [] };
    }
    if (outcome.cancelled) {
      const { rollback } = await handle.query(statusQuery).catch((error: unknown) => {
        if (!isLostQuery(error)) throw error;
        this.journal.count('queries that no worker was given');
        return handle.query(statusQuery);
      });
      return { ...known, how: 'cancelled', residue: rollback?.residue ?? [] };
    }
    if (outcome.failure !== undefined) {
      const { code, message, details } = outcome.failure;
      return { ...known, how: 'failed', code, message, residue: details.rollback.residue };
    }
    return { ...known, how: 'done', residue: (outcome.result as Partial<BootstrapResult>).residue ?? [] };
  }
}

/**
 * A query that comes just when its workflow closes, and is evicted from the worker's cache, can be lost between server and worker: the server
 * lets it run out after 10 s, and answers the next one. Operators see `unavailable`, and ask again.
 */
function isLostQuery(error: unknown): boolean {
  return error instanceof Error && isGrpcServiceError(error.cause) && error.cause.details.startsWith('query timed out');
}

function prepare({ kind, input }: Request): string {
  return prepareRun(kind, input).workflowId;
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const abort = new AbortController();
  const late = delay(ms, undefined, { signal: abort.signal }).catch(() => undefined);
  return Promise.race([promise, late]).finally(() => abort.abort());
}
