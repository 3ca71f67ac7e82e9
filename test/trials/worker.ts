// The process of trials: one Temporal worker with the real activities for all of its worlds, and ears at every activity.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Worker } from '@temporalio/worker';
import { createActivities } from '../../activities';
import type { Activities } from '../../src/contract/activities';
import { ClusterPool } from '../../src/kubernetes/cluster-pool';
import { AuthorityStore } from '../../src/pki/authority-store';
import { FileBackend } from '../../src/pki/file-backend';
import { createWorker } from '../../src/temporal/worker';
import { testBundle, testEnvironment, uniqueTaskQueue } from '../support/temporal';

/** The user agent of the worker's requests, so that faults spare the simulated clusters' own agents. */
export const ORCHESTRATOR = 'skyfabric-trials';
/** A request that hangs is given up after this long. */
const REQUEST_TIMEOUT_MS = 5_000;

/** Told of the activities of one fabric. */
export interface ActivityEar {
  /** An activity begins; what is returned makes it fail after its work, as if its worker had been lost. */
  begins(workflowId: string, activity: string): Error | undefined;
  fails(workflowId: string, activity: string, error: unknown): void;
}

export class TrialWorker {
  private readonly ears = new Map<string, ActivityEar>();

  private constructor(
    readonly environment: TestWorkflowEnvironment,
    readonly taskQueue: string,
    private readonly pool: ClusterPool,
    private readonly keyDirectory: string,
  ) {}

  private worker: Worker | undefined;
  private running: Promise<void> | undefined;

  static async start(): Promise<TrialWorker> {
    const [environment, keyDirectory] = await Promise.all([testEnvironment(), mkdtemp(join(tmpdir(), 'skyfabric-trials-'))]);
    const pool = new ClusterPool({ userAgent: ORCHESTRATOR, requestTimeoutMs: REQUEST_TIMEOUT_MS });
    const started = new TrialWorker(environment, uniqueTaskQueue(), pool, keyDirectory);
    const authorities = new AuthorityStore(new FileBackend(keyDirectory));
    started.worker = await createWorker({
      identity: 'skyfabric-trials',
      connection: environment.nativeConnection,
      namespace: 'default',
      taskQueue: started.taskQueue,
      activities: started.heard(createActivities({ clusters: pool, authorities, releaseDirectory: keyDirectory })),
      workflowBundle: testBundle(),
      shutdownGraceTimeMs: 1_000,
    });
    started.running = started.worker.run();
    return started;
  }

  /** Tells the ear of what is done for a fabric, until another one listens. */
  listen(fabric: string, ear: ActivityEar): void {
    this.ears.set(fabric, ear);
  }

  forget(fabric: string): void {
    this.ears.delete(fabric);
  }

  async close(): Promise<void> {
    this.worker?.shutdown();
    await this.running;
    await this.pool.close();
    await this.environment.teardown();
    await rm(this.keyDirectory, { recursive: true, force: true });
  }

  private heard(activities: Activities): Activities {
    const wrapped = Object.entries(activities).map(([name, activity]) => [
      name,
      async (input: unknown) => {
        const workflowId = Context.current().info.workflowExecution?.workflowId ?? '';
        const ear = this.ears.get(workflowId.split('/')[1] ?? '');
        const loss = ear?.begins(workflowId, name);
        try {
          const value = await (activity as (given: unknown) => Promise<unknown>)(input);
          if (loss !== undefined) throw loss;
          return value;
        } catch (error) {
          ear?.fails(workflowId, name, error);
          throw error;
        }
      },
    ]);
    return Object.fromEntries(wrapped) as Activities;
  }
}
