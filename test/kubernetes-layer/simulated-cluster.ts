// A simulated cluster and a client of it, for one test file.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cluster } from '../../src/kubernetes/cluster';
import { ClusterPool } from '../../src/kubernetes/cluster-pool';
import { FaultInjector } from '../../src/playground/api-server/faults';
import type { ApiRequest } from '../../src/playground/api-server/routing';
import type { ApiServer } from '../../src/playground/api-server/server';
import { startApiServer, writeKubeconfig } from '../../src/playground/api-server/server';

export interface SimulatedCluster {
  readonly api: ApiServer;
  readonly cluster: Cluster;
  readonly pool: ClusterPool;
  readonly kubeconfig: string;
  readonly faults: FaultInjector;
  /** Requests so far, as `verb resource`, without those that only read. */
  readonly writes: string[];
  close(): Promise<void>;
}

export interface SimulatedClusterOptions {
  readonly watchWindow?: number;
  readonly onRequest?: (request: ApiRequest) => void;
}

/** Starts a simulated cluster named `west`. */
export async function startSimulatedCluster(options: SimulatedClusterOptions = {}): Promise<SimulatedCluster> {
  const faults = new FaultInjector();
  const writes: string[] = [];
  const { watchWindow, onRequest } = options;
  const api = await startApiServer({
    name: 'west',
    faults,
    onRequest: (request) => {
      onRequest?.(request);
      if (request.method !== 'GET') writes.push(`${request.verb} ${request.resource ?? ''}`);
    },
    ...(watchWindow === undefined ? {} : { watchWindow }),
  });
  const directory = mkdtempSync(join(tmpdir(), 'skyfabric-simulated-'));
  const kubeconfig = join(directory, 'config');
  await writeKubeconfig(kubeconfig, [api]);
  const pool = new ClusterPool();
  return {
    api,
    cluster: pool.cluster({ context: 'west', kubeconfig }),
    pool,
    kubeconfig,
    faults,
    writes,
    close: async () => {
      await pool.close();
      await api.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
