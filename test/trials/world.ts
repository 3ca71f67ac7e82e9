// The clusters of a trial: four simulated ones with the trials' services, whose API servers can be told to fail, and whose every write
// is seen. A world is used again for trial after trial, each of which begins with the fabric as BASE makes it.
import { rename } from 'node:fs/promises';
import { FaultInjector } from '../../src/playground/api-server/faults';
import type { ApiRequest } from '../../src/playground/api-server/routing';
import { startApiServer, writeKubeconfig, type ApiServer } from '../../src/playground/api-server/server';
import {
  deployClient,
  deployEcho,
  startSimulatedClusters,
  type SimulatedCluster,
  type SimulatedClusters,
} from '../../src/playground/simulated-cluster';
import type { PodIdentity } from '../../src/playground/network';
import type { KubeObject } from '../../src/kubernetes/kube-object';
import type { PeerInput } from '../../src/model/peer';
import { DEPLOYED, rulesOf } from '../support/accounts';
import { uniqueFabric } from '../support/fabric';
import { QUIET, SERVED, SOUTHERN } from './draw-schedule';
import { PORT } from './requests';
import { CLUSTERS, NAMESPACE, STEADY, type ClusterName } from './schedule';
import { ORCHESTRATOR } from './worker';

const READY_DELAY_MS = 5;
/** As ClusterLink does; a new Peer is asked at once anyway. */
const HEARTBEAT_MS = 1_000;
const CLIENT = 'frontend';

export class World {
  readonly fabric = uniqueFabric();
  /** Ids of runs that ended well, base runs and healing ones too: their claims may stand. */
  readonly succeeded = new Set<string>();
  /** How the latest run of each request ended, by workflow id. */
  readonly latest = new Map<string, boolean>();
  readonly skewMs = new Map<ClusterName, number>();
  /** Called for every request of the worker. */
  onRequest: (request: ApiRequest) => void = () => undefined;
  private readonly tokens = new Map<string, string>();

  private constructor(
    readonly faults: FaultInjector,
    private readonly servers: ReadonlyMap<string, ApiServer>,
    private readonly simulated: SimulatedClusters,
    private readonly caller: PodIdentity,
  ) {}

  static async start(): Promise<World> {
    const faults = new FaultInjector();
    const servers = new Map<string, ApiServer>();
    // The servers are there before the world that hears and skews them.
    const late: { world?: World } = {};
    const simulated = await startSimulatedClusters(CLUSTERS, {
      faults,
      readyDelayMs: READY_DELAY_MS,
      heartbeatMs: HEARTBEAT_MS,
      clockOf: (name) => new Date(Date.now() + (late.world?.skewMs.get(name as ClusterName) ?? 0)),
      startServer: async (options) => {
        const onRequest = (request: ApiRequest): void => {
          if (request.userAgent === ORCHESTRATOR) late.world?.onRequest(request);
        };
        const server = await startApiServer({ ...options, onRequest });
        servers.set(server.name, server);
        return server;
      },
    });
    const caller = await furnish(simulated);
    const world = (late.world = new World(faults, servers, simulated, caller));
    for (const name of CLUSTERS) world.tokens.set(name, world.newToken(name));
    await world.writeKubeconfig();
    return world;
  }

  cluster(name: ClusterName): SimulatedCluster {
    return this.simulated.cluster(name);
  }

  readonly peerOf = (name: ClusterName): PeerInput => ({
    name,
    context: name,
    kubeconfig: this.simulated.kubeconfigPath,
    ingress: { type: 'LoadBalancer', port: this.cluster(name).ingressPort },
  });

  /** All that a cluster's API server has stored now. */
  objects(name: ClusterName): readonly KubeObject[] {
    return this.server(name).objects();
  }

  /** See ApiServer.onWrite. */
  onWrite(name: ClusterName, listener: Parameters<ApiServer['onWrite']>[0]): () => void {
    return this.server(name).onWrite(listener);
  }

  /** From now on the worker's token for a cluster is worth nothing. */
  expireToken(name: ClusterName): void {
    this.server(name).expireToken(this.tokens.get(name) ?? '');
  }

  /** Puts a good token into the kubeconfig. */
  async renewToken(name: ClusterName): Promise<void> {
    this.tokens.set(name, this.newToken(name));
    await this.writeKubeconfig();
  }

  /** A request over the steady connection. @throws unreachable */
  async callSteady(): Promise<void> {
    await this.cluster('east').network.fetch(this.caller, `http://${STEADY}.${NAMESPACE}.svc:${PORT}/`);
  }

  incidents(): string[] {
    return this.simulated.clusters.flatMap(({ name, incidents }) =>
      incidents().map(({ kind, object, message }) => `${name}: ${kind}: ${object}: ${message}`),
    );
  }

  async close(): Promise<void> {
    await this.simulated.close();
  }

  private server(name: ClusterName): ApiServer {
    const server = this.servers.get(name);
    if (server === undefined) throw new Error(`there is no cluster ${name}`);
    return server;
  }

  /** Of the account that deploy/ makes for a worker. */
  private newToken(name: ClusterName): string {
    return this.server(name).addToken({ user: 'system:serviceaccount:skyfabric:skyfabric', rules: rulesOf(DEPLOYED) });
  }

  /** In one step, as whoever renews tokens should: the worker may read at any moment. */
  private async writeKubeconfig(): Promise<void> {
    const { kubeconfigPath } = this.simulated;
    const next = `${kubeconfigPath}.next`;
    await writeKubeconfig(
      next,
      CLUSTERS.map((name) => {
        const { url, caPem } = this.server(name);
        return { name, url, caPem, token: this.tokens.get(name) ?? '' };
      }),
    );
    await rename(next, kubeconfigPath);
  }
}

/** Services and pods that were there before us, and the namespaces that an administrator makes. @returns a pod that calls */
async function furnish(simulated: SimulatedClusters): Promise<PodIdentity> {
  const namespaces = [
    ...DEPLOYED.filter(({ kind }) => kind === 'Namespace'),
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
  ];
  await Promise.all(simulated.clusters.map(async ({ client }) => Promise.all(namespaces.map((namespace) => client.apply(namespace)))));
  const east = simulated.cluster('east');
  const echo = (cluster: string, name: string) => deployEcho(simulated.cluster(cluster), { namespace: NAMESPACE, name, port: PORT });
  await Promise.all([
    ...[STEADY, SERVED].map((name) => echo('west', name)),
    ...[SERVED, SOUTHERN].map((name) => echo('south', name)),
    ...['west', 'south'].flatMap((cluster) => QUIET.map((name) => simulated.cluster(cluster).client.create(quietService(name)))),
    deployClient(east, { namespace: NAMESPACE, name: CLIENT }),
  ]);
  const { items } = await east.client.list<KubeObject>({ apiVersion: 'v1', kind: 'Pod', namespace: NAMESPACE });
  const pod = items.find(({ metadata }) => metadata.labels?.['app'] === CLIENT);
  if (pod === undefined) throw new Error(`${CLIENT} has no pod`);
  return { namespace: NAMESPACE, name: pod.metadata.name, labels: pod.metadata.labels ?? {}, serviceAccount: 'default' };
}

function quietService(name: string): KubeObject & { readonly spec: object } {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: NAMESPACE },
    spec: { selector: { app: name }, ports: [{ port: PORT, targetPort: PORT, protocol: 'TCP' }] },
  };
}
