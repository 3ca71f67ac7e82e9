// A whole fabric for a test file: simulated clusters, a worker with the real activities, and requests to make of it.
// Every history that a test leaves is scanned for private keys when the harness closes.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { temporal } from '@temporalio/proto';
import { createActivities } from '../../activities';
import type { RunFailure } from '../../src/contract/results';
import type { RunKind, Runs } from '../../src/contract/runs';
import { FABRIC_ATTRIBUTE } from '../../src/contract/search-attributes';
import { guardWorkflowId, settleWorkflowId } from '../../src/contract/workflow-ids';
import { FabricError } from '../../src/errors/fabric-error';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../../src/kubernetes/claim-marks';
import { ClusterPool } from '../../src/kubernetes/cluster-pool';
import { takeInventory } from '../../src/kubernetes/inventory';
import type { KubeObject } from '../../src/kubernetes/kube-object';
import type { BootstrapRequestInput } from '../../src/model/requests';
import { AuthorityStore } from '../../src/pki/authority-store';
import { FileBackend } from '../../src/pki/file-backend';
import { FaultInjector } from '../../src/playground/api-server/faults';
import { startSimulatedClusters, type SimulatedClusterOptions, type SimulatedClusters } from '../../src/playground/simulated-cluster';
import { startRun, type StartedRun } from '../../src/temporal/runs';
import { createWorker } from '../../src/temporal/worker';
import { actAs, DEPLOYED } from './accounts';
import { clusterBackend } from './backend';
import { takeEverything } from './everything';
import { findSecretIn } from './secrets';
import { StepTraps } from './step-traps';
import { testBundle, testEnvironment, uniqueTaskQueue } from './temporal';
import { ORCHESTRATOR } from './user-agent';

export type PeerName = string;
type History = temporal.api.history.v1.IHistory;

/** The outcome of a run that was waited for. */
export interface Outcome<R> {
  readonly run: StartedRun<R>;
  readonly result?: R;
  readonly failure?: { readonly code: string; readonly message: string; readonly details: RunFailure };
  readonly cancelled: boolean;
}

/** Where the worker of a harness runs that has none in this process. */
export interface WorkerElsewhere {
  readonly taskQueue: string;
  readonly keyDirectory: string;
  /** Of the Temporal server. Default: the shared one. */
  readonly address?: string;
}

/** How a harness differs from the usual one. */
interface HarnessOptions extends Pick<SimulatedClusterOptions, 'roundTripMs' | 'secondMs'> {
  readonly elsewhere?: WorkerElsewhere;
}

export class FabricHarness {
  private readonly started: { workflowId: string; runId: string }[] = [];

  private constructor(
    readonly environment: TestWorkflowEnvironment,
    readonly simulated: SimulatedClusters,
    readonly faults: FaultInjector,
    readonly traps: StepTraps,
    readonly taskQueue: string,
    readonly keyDirectory: string,
    /** Ends the worker, if there is one in this process, and what it works with. */
    private readonly endWorker: () => Promise<void>,
  ) {}

  /** Unless told otherwise, the kubeconfig is that of the account which deploy/ makes for a worker, and the worker runs in this process. */
  static async start(
    names: readonly PeerName[],
    as: 'worker' | 'administrator' = 'worker',
    { elsewhere, ...more }: HarnessOptions = {},
  ): Promise<FabricHarness> {
    const faults = new FaultInjector();
    const traps = new StepTraps();
    const [environment, simulated] = await Promise.all([
      testEnvironment(elsewhere?.address),
      startSimulatedClusters(names, { ...clusterBackend, faults, readyDelayMs: 20, heartbeatMs: 100, secondMs: 20, ...more }),
    ]);
    if (as === 'worker') await actAs(simulated, DEPLOYED);
    if (elsewhere !== undefined) {
      return new FabricHarness(environment, simulated, faults, traps, elsewhere.taskQueue, elsewhere.keyDirectory, () => Promise.resolve());
    }
    const keyDirectory = await mkdtemp(join(tmpdir(), 'skyfabric-keys-'));
    const pool = new ClusterPool({ userAgent: ORCHESTRATOR, requestTimeoutMs: REQUEST_TIMEOUT_MS });
    const taskQueue = uniqueTaskQueue();
    const worker = await createWorker({
      identity: 'skyfabric-test',
      connection: environment.nativeConnection,
      namespace: 'default',
      taskQueue,
      activities: traps.wrap(
        createActivities({
          clusters: pool,
          authorities: new AuthorityStore(new FileBackend(keyDirectory)),
          releaseDirectory: keyDirectory,
        }),
      ),
      workflowBundle: testBundle(),
      shutdownGraceTimeMs: 1_000,
    });
    const running = worker.run();
    return new FabricHarness(environment, simulated, faults, traps, taskQueue, keyDirectory, async () => {
      worker.shutdown();
      await running;
      await pool.close();
      await rm(keyDirectory, { recursive: true, force: true });
    });
  }

  /** A bootstrap of the given peers, hub and spoke round the first, with keys that are quick to make. */
  bootstrapRequest(fabric: string, peers: readonly PeerName[] = this.simulated.clusters.map(({ name }) => name)): BootstrapRequestInput {
    return {
      fabric,
      peers: peers.map((name) => ({
        name,
        context: name,
        kubeconfig: this.simulated.kubeconfigPath,
        ingress: { type: 'LoadBalancer' as const, port: this.simulated.cluster(name).ingressPort },
      })),
      links: { kind: 'hub-and-spoke', hub: peers[0] ?? '' },
      certificates: { authorityKeyBits: 2048 },
      deadlines: { step: '20s', undo: '20s' },
    };
  }

  async begin<K extends RunKind>(kind: K, input: Runs[K]['input']): Promise<StartedRun<Runs[K]['result']>> {
    const run = await startRun(this.environment.client, kind, input, this.taskQueue);
    this.started.push({ workflowId: run.workflowId, runId: run.runId });
    return run;
  }

  /** Counts the fabric's runs that another client started among those whose histories are looked through when the harness closes. */
  async includeRunsOf(fabric: string): Promise<void> {
    const query = `${FABRIC_ATTRIBUTE.name} = "${fabric}" AND WorkflowType != "GuardFabric"`;
    for await (const { workflowId, runId } of this.environment.client.workflow.list({ query })) this.started.push({ workflowId, runId });
  }

  /** Starts a run and waits for its end, whatever it is. */
  async run<K extends RunKind>(kind: K, input: Runs[K]['input']): Promise<Outcome<Runs[K]['result']>> {
    return outcomeOf(await this.begin(kind, input));
  }

  /** Starts a run that must succeed. */
  async succeed<K extends RunKind>(kind: K, input: Runs[K]['input']): Promise<Runs[K]['result']> {
    const outcome = await this.run(kind, input);
    if (outcome.result === undefined) throw new Error(`${kind} failed: ${JSON.stringify(outcome.failure)}`);
    return outcome.result;
  }

  /** What stands on each cluster for a fabric: `cluster: Kind namespace/name digest`. */
  async inventory(fabric: string): Promise<string[]> {
    const lists = await Promise.all(
      this.simulated.clusters.map(async ({ name, client }) =>
        (await whenServed(() => takeInventory(client, { fabric }))).map(({ object, digest }) => `${name}: ${object} ${digest}`),
      ),
    );
    return lists.flat();
  }

  /** Every object of every cluster, whoever made it; with its contents, unless it is ours (see `inventory`) or ClusterLink's. */
  async everything(): Promise<string[]> {
    const isTheirs = ({ metadata: { labels = {}, namespace, name } }: KubeObject): boolean =>
      !MANAGERS.includes(labels[MANAGED_BY_LABEL] ?? labels['endpointslice.kubernetes.io/managed-by'] ?? '') &&
      !CONTROLPLANE_MAKES.includes(`${namespace ?? ''}/${name}`);
    const lists = await Promise.all(
      this.simulated.clusters.map(async ({ name, client }) =>
        [...(await whenServed(() => takeEverything(client, isTheirs)))].map(([object, digest]) => `${name}: ${object} ${digest}`),
      ),
    );
    return lists.flat().sort();
  }

  async history(run: { readonly workflowId: string; readonly runId: string }) {
    return this.environment.client.workflow.getHandle(run.workflowId, run.runId).fetchHistory();
  }

  /** The histories of all that was started, and of the registers and owed cleanups. */
  async histories(): Promise<{ workflowId: string; history: History }[]> {
    const { workflow } = this.environment.client;
    const runs = await Promise.all(this.started.map(async (run) => ({ workflowId: run.workflowId, history: await this.history(run) })));
    const fabrics = [...new Set(this.started.map(({ workflowId }) => workflowId.split('/')[1] ?? ''))];
    const keepers = await Promise.all(
      fabrics
        .flatMap((fabric) => [guardWorkflowId(fabric), settleWorkflowId(fabric)])
        .map(async (workflowId) => {
          const handle = workflow.getHandle(workflowId);
          const described = await handle.describe().catch(() => undefined);
          return described === undefined ? [] : [{ workflowId, history: await handle.fetchHistory() }];
        }),
    );
    return [...runs, ...keepers.flat()];
  }

  /** Ends everything; before that every history is scanned for secrets, and some from all over are replayed. */
  async close(): Promise<void> {
    try {
      const histories = await this.histories();
      for (const { workflowId, history } of histories) expectNoSecret(workflowId, history);
      for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle: testBundle() }, sampleOf(histories))) {
        if (error !== undefined) throw new Error(`${workflowId} does not replay`, { cause: error });
      }
      for (const { workflowId } of histories.filter((one) => /^(fabric|cleanup)\//.test(one.workflowId))) {
        await this.environment.client.workflow
          .getHandle(workflowId)
          .terminate('the test has ended')
          .catch(() => undefined); // It ended by itself.
      }
    } finally {
      await this.endWorker();
      await this.simulated.close();
      await this.environment.teardown();
    }
  }
}

/** At most this many histories are replayed when a harness closes, evenly spread. */
const MOST_REPLAYED = 60;

function sampleOf<T>(all: readonly T[]): T[] {
  const step = Math.ceil(all.length / MOST_REPLAYED);
  return all.filter((_, index) => index % step === 0);
}

/** Who makes objects whose contents change when they are made again. */
const MANAGERS = [MANAGED_BY, 'clusterlink.net'];
const CONTROLPLANE_MAKES = ['clusterlink-system/jwk'];

/** A request that hangs is given up after this long. */
const REQUEST_TIMEOUT_MS = 3_000;

/** A fabric name that no other test uses. */
export function uniqueFabric(): string {
  return `f-${randomUUID().slice(0, 8)}`;
}

export async function outcomeOf<R>(run: StartedRun<R>): Promise<Outcome<R>> {
  try {
    return { run, result: await run.handle.result(), cancelled: false };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const { cause } = error;
    if (cause instanceof CancelledFailure) return { run, cancelled: true };
    if (!(cause instanceof ApplicationFailure)) throw error;
    return {
      run,
      cancelled: false,
      failure: { code: cause.type ?? '', message: cause.message, details: cause.details?.[0] as RunFailure },
    };
  }
}

function expectNoSecret(workflowId: string, history: unknown): void {
  const found = findSecretIn(history);
  if (found !== undefined) throw new Error(`the history of ${workflowId} holds ${found}`);
}

/** Asks again when an API server bids one come back, as a real one does for a kind that was defined just now. */
async function whenServed<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof FabricError) || error.retryAfterMs === undefined) throw error;
      await delay(error.retryAfterMs);
    }
  }
}
