// The API server that a test file runs against: simulated, or a real kube-apiserver. Jest runs the suites that hold for both once for
// each, as two projects (jest.config.cjs).
import { startApiServer, type ApiServerOptions } from '../../src/playground/api-server/server';
import { FaultInjector } from '../../src/playground/api-server/faults';
import type { SimulatedClusterOptions } from '../../src/playground/simulated-cluster';
import { withFaults } from '../kubernetes/fault-proxy';
import { findPrograms } from '../kubernetes/programs';
import { startRealCluster, type TestApiServer } from '../kubernetes/real-cluster';

/** Which of the two this file runs against. */
export const BACKEND = (globalThis as { skyfabricBackend?: 'simulated' | 'real' }).skyfabricBackend ?? 'simulated';

/** How a whole cluster of this file's kind gets its API server, for `startSimulatedClusters`. */
export const clusterBackend: Pick<SimulatedClusterOptions, 'startServer'> =
  BACKEND === 'real'
    ? {
        startServer: async ({ name, faults = new FaultInjector() }) =>
          withFaults(await startRealCluster(name, await findPrograms(() => undefined)), faults),
      }
    : {};

/** Starts a fresh cluster of this file's kind. The options other than the name are the simulated one's: a real one has its own ways. */
export async function startTestServer(options: Pick<ApiServerOptions, 'name' | 'watchWindow'>): Promise<TestApiServer> {
  if (BACKEND === 'real') return startRealCluster(options.name, await findPrograms(() => undefined));
  const server = await startApiServer(options);
  return { ...server, addToken: (identity) => Promise.resolve(server.addToken(identity)), forgetPast: () => Promise.resolve() };
}
