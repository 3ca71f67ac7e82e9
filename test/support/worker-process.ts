// A worker in a process of its own, seen from the test that kills it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { holdKey, type Hold, type Moment } from './holds';

/** What a worker needs to know. */
export interface WorkerSetup {
  /** `host:port` of the Temporal server. */
  readonly address: string;
  readonly taskQueue: string;
  readonly bundlePath: string;
  readonly keyDirectory: string;
  /** Further options of the SDK's worker. */
  readonly tuning?: {
    readonly maxConcurrentActivityTaskExecutions?: number;
    readonly maxCachedWorkflows?: number;
    readonly maxConcurrentWorkflowTaskPolls?: number;
  };
}

/** What the worker is told; `freeze` is the last. */
export type Order =
  | { readonly setup: WorkerSetup; readonly holds: readonly Hold[] }
  | { readonly hold: readonly Hold[] }
  | { readonly disarm: readonly Hold[] }
  | { readonly letGo: Moment }
  | { readonly freeze: true };

/** What it tells: that it asks for tasks, that it holds a step, or how many activities it runs. */
export type Report = { readonly ready: true } | { readonly held: string } | { readonly running: number };

export class WorkerProcess {
  private readonly heldKeys = new Set<string>();
  private readonly waiting = new Map<string, () => void>();
  private readonly ended: Promise<unknown>;
  private told = 0;

  private constructor(private readonly child: ChildProcess) {
    this.ended = once(child, 'exit');
    child.on('message', (report: Report) => {
      if ('running' in report) this.told = report.running;
      if (!('held' in report)) return;
      this.heldKeys.add(report.held);
      this.waiting.get(report.held)?.();
    });
  }

  /** Starts a worker, and resolves when it asks for tasks. */
  static async start(setup: WorkerSetup, holds: readonly Hold[] = []): Promise<WorkerProcess> {
    const child = fork(join(__dirname, 'worker-main.ts'), {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const worker = new WorkerProcess(child);
    worker.send({ setup, holds });
    const isReady = await Promise.race([once(child, 'message').then(() => true), worker.ended.then(() => false)]);
    if (!isReady) throw new Error('the worker ended while it started');
    return worker;
  }

  hold(holds: readonly Hold[]): void {
    this.send({ hold: holds });
  }

  /** These steps go their way from now on. */
  disarm(holds: readonly Hold[]): void {
    this.send({ disarm: holds });
  }

  /** Resolves when the step is held; it never is when its run ends without it. */
  async held(hold: Pick<Hold, 'workflowId' | 'activityId'>): Promise<void> {
    const key = holdKey(hold);
    if (!this.heldKeys.has(key)) await new Promise<void>((resolve) => this.waiting.set(key, resolve));
  }

  /** How many activities it runs, as it last said. */
  get running(): number {
    return this.told;
  }

  /** How many of these steps it has held. */
  countHeld(holds: readonly Pick<Hold, 'workflowId' | 'activityId'>[]): number {
    return holds.filter((hold) => this.heldKeys.has(holdKey(hold))).length;
  }

  /** Ends the steps that are held `reported` and does nothing any more; the server hears of their ends. */
  freeze(): void {
    this.send({ freeze: true });
  }

  letGo(moment: Moment): void {
    this.send({ letGo: moment });
  }

  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  /** As a machine that loses its power. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  private send(order: Order): void {
    this.child.send(order);
  }
}
