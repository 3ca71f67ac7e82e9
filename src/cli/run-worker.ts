// Runs a worker in this process, with all it needs: what `dev`, `worker` and the playground have in common.
import { resolve } from 'node:path';
import { createActivities } from '../../activities/index';
import { isFabricError } from '../errors/fabric-error';
import { ClusterPool } from '../kubernetes/cluster-pool';
import { readPassphrase } from '../pki/passphrase';
import { connectClient, type TemporalTarget } from '../temporal/connection';
import { installRuntime, type LogLevel } from '../temporal/runtime';
import { ensureSearchAttributes } from '../temporal/search-attributes';
import { connectWorker, createWorker, runWorker } from '../temporal/worker';
import { workflowBundle } from '../temporal/workflow-bundle';
import { openKeyStore } from './key-store';

export interface WorkerStart {
  readonly target: TemporalTarget;
  readonly taskQueue: string;
  /** `file:<directory>` or `kubernetes:[<context>/]<namespace>`. */
  readonly keyStore: string;
  /** The file of the passphrase that the store's keys are encrypted with. Default: they are in plain. */
  readonly keyPassphraseFile?: string | undefined;
  /** Where ClusterLink releases are installed. */
  readonly releaseDirectory: string;
  /** Where relative paths start. */
  readonly cwd: string;
  /** For peers that name none. Default: `$KUBECONFIG`, else `~/.kube/config`. */
  readonly kubeconfig?: string | undefined;
  /** Credential plugins of kubeconfigs that may be run; default none. */
  readonly allowExec?: readonly string[] | undefined;
  /** For a worker inside a peer's network: no workflows. */
  readonly activitiesOnly?: boolean | undefined;
  /** Default: `WARN`. */
  readonly logLevel?: LogLevel | undefined;
  /** Receives each log line. */
  readonly log: (line: string) => void;
}

/** A worker that has begun to ask for tasks. */
export interface RunningWorker {
  readonly address: string;
  readonly namespace: string;
  readonly taskQueue: string;
  /** Search attributes that were registered just now, by name. */
  readonly registered: readonly string[];
  /** Resolves when the worker has stopped. @throws when it failed */
  readonly ended: Promise<void>;
  /** Lets running steps end, or hands them back after ten seconds, and resolves when all is closed. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts a worker; the server learns our search attributes first.
 * @throws what connectClient, ensureSearchAttributes, readPassphrase and openKeyStore throw
 */
export async function startWorkerWith(start: WorkerStart): Promise<RunningWorker> {
  installRuntime({ ...(start.logLevel === undefined ? {} : { level: start.logLevel }), write: start.log });
  // Credential plugins started for a context read the same variable.
  if (start.kubeconfig !== undefined) process.env['KUBECONFIG'] = resolve(start.cwd, start.kubeconfig);
  const passphrase = start.keyPassphraseFile === undefined ? undefined : await readPassphrase(resolve(start.cwd, start.keyPassphraseFile));
  const clusters = new ClusterPool({ allowExec: start.allowExec });
  const activities = createActivities({
    clusters,
    authorities: openKeyStore(start.keyStore, clusters, start.cwd, passphrase),
    releaseDirectory: resolve(start.cwd, start.releaseDirectory),
  });
  const registered = start.activitiesOnly === true ? [] : await registerSearchAttributes(start);
  const server = await connectWorker(start.target);
  const { connection, address, namespace, dataConverter } = server;
  const stop = new AbortController();
  const ending = async (): Promise<void> => {
    await server.close();
    await clusters.close();
  };
  try {
    const worker = await createWorker({
      connection,
      namespace,
      taskQueue: start.taskQueue,
      activities,
      dataConverter,
      ...(start.activitiesOnly === true
        ? {}
        : { workflowBundle: await workflowBundle({ hidesFailures: dataConverter.failureConverterPath !== undefined }) }),
    });
    const ended = runWorker(worker, stop.signal).finally(ending);
    // Whoever waits for the end sees the failure; nobody has to.
    ended.catch(() => undefined);
    return {
      address,
      namespace,
      taskQueue: start.taskQueue,
      registered,
      ended,
      stop: () => {
        stop.abort();
        return ended;
      },
    };
  } catch (error) {
    await ending();
    throw error;
  }
}

/** A server that lets nobody look (Temporal Cloud) may know them already: the worker starts, and the log says what to do if not. */
async function registerSearchAttributes({ target, log }: WorkerStart): Promise<readonly string[]> {
  const client = await connectClient(target);
  try {
    return await ensureSearchAttributes(client.connection, client.namespace);
  } catch (error) {
    if (!isFabricError(error, 'forbidden')) throw error;
    log(`WARN ${error.message}. ${error.hint ?? ''}`);
    return [];
  } finally {
    await client.close();
  }
}
