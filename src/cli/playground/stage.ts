// What the show needs: an embedded Temporal server, a worker, and simulated clusters with an application on them; and how
// all of it goes away again, however far it got.
import { dirname, join } from 'node:path';
import type { Client } from '@temporalio/client';
import { TASK_QUEUE } from '../../contract/task-queue';
import { FaultInjector } from '../../playground/api-server/faults';
import { deployClient, deployEcho, startSimulatedClusters, type SimulatedClusters } from '../../playground/simulated-cluster';
import { findTemporalCli } from '../../temporal/cli-binary';
import { connectClient } from '../../temporal/connection';
import { startDevServer } from '../../temporal/dev-server';
import { startWorkerWith } from '../run-worker';
import { CALLERS, type Cast, SERVICE } from './cast';

export interface StageOptions {
  readonly cast: Cast;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Ends the setting up; what has been started is closed again. */
  readonly signal: AbortSignal;
  /** Told of each thing that is being started. */
  readonly onProgress: (text: string) => void;
  /** Receives what goes wrong in the worker beyond the failures that runs tell. */
  readonly log: (line: string) => void;
}

/** Everything that runs while the show goes on. */
export interface Stage {
  readonly client: Client;
  readonly address: string;
  readonly namespace: string;
  readonly uiUrl: string;
  readonly clusters: SimulatedClusters;
  /** Of all clusters; rules name theirs. */
  readonly faults: FaultInjector;
  /** Rejects when the worker fails; resolves when it has been stopped. */
  readonly ended: Promise<void>;
  /** Ends every process and listener, and removes every file. */
  close(): Promise<void>;
}

type Closer = () => Promise<unknown>;

/**
 * Starts everything, and deploys the application.
 * @throws unavailable when no Temporal CLI can be had; whatever else did not start
 */
export async function setStage(options: StageOptions): Promise<Stage> {
  const closers: Closer[] = [];
  const close = async (): Promise<void> => {
    // Latest first: the worker goes before the server that it talks to.
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const stage = await start(options, (closer) => closers.push(closer));
    options.signal.throwIfAborted();
    return { ...stage, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(
  { cast, env, cwd, signal, onProgress, log }: StageOptions,
  onClose: (closer: Closer) => void,
): Promise<Omit<Stage, 'close'>> {
  // A download may take minutes; Ctrl-C does not wait for it.
  const { path: binary } = await unlessAborted(signal, findTemporalCli({ env, onProgress }));
  const server = await startDevServer({ binary, onProgress });
  onClose(() => server.close());
  signal.throwIfAborted();

  const names = [...cast.peers, cast.newcomer];
  onProgress(`Starting ${names.length} simulated clusters: ${names.join(', ')}`);
  const faults = new FaultInjector();
  const clusters = await startSimulatedClusters(names, { faults });
  onClose(() => clusters.close());
  signal.throwIfAborted();

  onProgress(`Starting a worker, and deploying ${SERVICE.name} on ${cast.exporters.join(' and ')}, its callers on ${cast.hub}`);
  const target = { address: server.address, namespace: server.namespace, ignoreConfig: true };
  // Goes with the clusters.
  const folder = dirname(clusters.kubeconfigPath);
  const deployed = deployApplication(clusters, cast);
  // Whatever fails below is told first; this one is waited for in any case.
  deployed.catch(() => undefined);
  onClose(() => Promise.allSettled([deployed]));
  const worker = await startWorkerWith({
    target,
    taskQueue: TASK_QUEUE,
    keyStore: `file:${join(folder, 'keys')}`,
    releaseDirectory: join(folder, 'releases'),
    kubeconfig: clusters.kubeconfigPath,
    cwd,
    // Failed attempts are warnings, and the step tree tells of them.
    logLevel: 'ERROR',
    log,
  });
  onClose(() => worker.stop());
  const temporal = await connectClient(target);
  onClose(() => temporal.close());
  await deployed;
  return {
    client: temporal.client,
    address: server.address,
    namespace: server.namespace,
    uiUrl: server.uiUrl,
    clusters,
    faults,
    ended: worker.ended,
  };
}

async function deployApplication(clusters: SimulatedClusters, { exporters, hub }: Cast): Promise<void> {
  const { namespace, name, port } = SERVICE;
  await Promise.all([
    ...exporters.map((peer) => deployEcho(clusters.cluster(peer), { namespace, name, port })),
    ...Object.values(CALLERS).map((caller) => deployClient(clusters.cluster(hub), { namespace, name: caller })),
  ]);
}

async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    work.then(resolve, reject);
  });
}
