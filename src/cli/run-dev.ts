// An embedded Temporal server and a worker, in one process and gone with it.
import { findTemporalCli } from '../temporal/cli-binary';
import { startDevServer, type DevServer } from '../temporal/dev-server';
import { startWorkerWith, type RunningWorker, type WorkerStart } from './run-worker';

export interface DevStart {
  readonly worker: Omit<WorkerStart, 'target'>;
  /** Absolute path of the file of codec keys. Default: payloads are not encrypted. */
  readonly codecKeys?: string | undefined;
  /** Default: one that is found or fetched. */
  readonly temporalCli?: string | undefined;
  /** Default: free ones. */
  readonly port?: number | undefined;
  readonly uiPort?: number | undefined;
  /** Default: in memory. */
  readonly dbFilename?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly onProgress: (text: string) => void;
}

export interface RunningDev extends Omit<RunningWorker, 'registered'> {
  readonly uiUrl: string;
}

/**
 * Starts both; stopping ends the worker first, then the server.
 * @throws what findTemporalCli, startDevServer and startWorkerWith throw
 */
export async function startDev(start: DevStart): Promise<RunningDev> {
  const { env, onProgress, port, uiPort, dbFilename } = start;
  const { path, version } = await findTemporalCli({ path: start.temporalCli, env, onProgress });
  onProgress(`Temporal CLI ${version}: ${path}`);
  const server = await startDevServer({ binary: path, port, uiPort, dbFilename, onProgress });
  onProgress('Starting a worker');
  const worker = await workerFor(server, start).catch(async (error: unknown) => {
    await server.close();
    throw error;
  });
  const ended = worker.ended.finally(() => server.close());
  ended.catch(() => undefined);
  return {
    ...worker,
    uiUrl: server.uiUrl,
    ended,
    stop: async () => {
      await worker.stop();
      await ended;
    },
  };
}

function workerFor({ address, namespace }: DevServer, { worker, codecKeys }: DevStart): Promise<RunningWorker> {
  return startWorkerWith({ ...worker, target: { address, namespace, codecKeys, ignoreConfig: true } });
}
