// Whole simulated clusters: an API server, a node and ClusterLink's gateways, in this process and on loopback only.
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FabricError } from '../errors/fabric-error';
import type { Cluster } from '../kubernetes/cluster';
import { ClusterPool } from '../kubernetes/cluster-pool';
import type { KubeObject } from '../kubernetes/kube-object';
import { isAlreadyExists } from '../kubernetes/kubernetes-errors';
import type { FaultInjector } from './api-server/faults';
import type { ApiServer, ApiServerOptions } from './api-server/server';
import { startApiServer, writeKubeconfig } from './api-server/server';
import type { Incident } from './gateway-agent/cluster-view';
import { GatewayAgent } from './gateway-agent/gateway-agent';
import type { HttpAnswer, PodIdentity } from './network';
import { listen, PodNetwork } from './network';
import type { SimulatedDelays } from './node-agent/node-agent';
import { loopbackProgram, measureProgram } from './node-agent/measuring';
import { NodeAgent } from './node-agent/node-agent';
import type { DeploymentResource, PodResource } from './node-agent/resources';
import { isReady } from './node-agent/resources';
import type { LoadBalancerMode } from './node-agent/services';
import { ECHO_IMAGE, ECHO_PORT, echoProgram, probeProgram } from './node-agent/workloads';

const READY_DELAY_MS = 150;
const HEARTBEAT_MS = 1_000;
/** Long enough that a rollout looks like one, short enough that nobody waits for it. */
const SECOND_MS = 100;
const REQUEST_TIMEOUT_MS = 15_000;
/** Gateways listen below the ports that outgoing connections and node ports take. */
const FIRST_INGRESS_PORT = 20_000;
const INGRESS_PORTS = 10_000;
const WORKLOAD_WAIT_MS = 15_000;
const POLL_MS = 20;

export interface SimulatedClusterOptions {
  /** Faults for the API server's requests; aim them by user agent if the agents are to be spared. */
  readonly faults?: FaultInjector;
  /** From a pod's creation to the start of its containers. Default 150. */
  readonly readyDelayMs?: number;
  /** What Services of type LoadBalancer get; their port must be free on loopback. Default `ip`. */
  readonly loadBalancer?: LoadBalancerMode;
  /** Between two heartbeats to a peer. Default 1000. */
  readonly heartbeatMs?: number;
  /** How long a second lasts that pods and control planes wait (`minReadySeconds`, a sleep before the stop, a Lease). Default 100. */
  readonly secondMs?: number;
  /** From a gateway to another and back. Default 0. */
  readonly roundTripMs?: number;
  /** The time in a cluster, where it is not the system's: it stamps objects, and the conditions of Peers. */
  readonly clockOf?: (cluster: string) => Date;
  /** Starts the API server that all this runs on. Default: a simulated one. */
  readonly startServer?: (options: Pick<ApiServerOptions, 'name' | 'faults' | 'clock'>) => Promise<RunningApiServer>;
}

/** What a cluster needs of its API server. */
type RunningApiServer = Pick<ApiServer, 'name' | 'url' | 'caPem' | 'token' | 'clusterUid' | 'close'>;

/** One simulated cluster. */
export interface SimulatedCluster {
  readonly name: string;
  readonly server: RunningApiServer;
  /** The uid of the namespace `kube-system`. */
  readonly clusterUid: string;
  /** A client with all permissions. */
  readonly client: Cluster;
  readonly network: PodNetwork;
  readonly node: NodeAgent;
  /** A port of loopback, free at the start, for this cluster's gateway. */
  readonly ingressPort: number;
  delays(): SimulatedDelays;
  /** What happened here that would have harmed a real ClusterLink. */
  incidents(): readonly Incident[];
  /** A running pod of a Deployment, by which calls are made in its name. @throws not_found */
  podOf(workload: { readonly namespace: string; readonly name: string }): Promise<PodIdentity>;
  /** Sends an HTTP GET as one of a Deployment's pods. @throws not_found without a running pod; unreachable without an answer */
  fetchFrom(workload: { readonly namespace: string; readonly name: string }, url: string): Promise<HttpAnswer>;
  /** Ends everything; the cluster's content is gone with it. */
  close(): Promise<void>;
}

/** Several simulated clusters with one kubeconfig, whose contexts are their names. */
export interface SimulatedClusters {
  readonly clusters: readonly SimulatedCluster[];
  readonly kubeconfigPath: string;
  /** The cluster of this name. @throws not_found */
  cluster(name: string): SimulatedCluster;
  close(): Promise<void>;
}

/** Starts simulated clusters side by side. */
export async function startSimulatedClusters(names: readonly string[], options: SimulatedClusterOptions = {}): Promise<SimulatedClusters> {
  const folder = await mkdtemp(join(tmpdir(), 'skyfabric-playground-'));
  const clusters = await Promise.all(names.map((name) => startSimulatedCluster({ ...options, name })));
  const kubeconfigPath = join(folder, 'kubeconfig');
  await writeKubeconfig(
    kubeconfigPath,
    clusters.map(({ server }) => server),
  );
  return {
    clusters,
    kubeconfigPath,
    cluster: (name) => {
      const found = clusters.find((cluster) => cluster.name === name);
      if (found === undefined) throw new FabricError({ code: 'not_found', message: `There is no simulated cluster ${name}.` });
      return found;
    },
    close: async () => {
      await Promise.all(clusters.map((cluster) => cluster.close()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Starts one simulated cluster. */
export async function startSimulatedCluster(options: SimulatedClusterOptions & { readonly name: string }): Promise<SimulatedCluster> {
  const {
    name,
    faults,
    readyDelayMs = READY_DELAY_MS,
    loadBalancer = 'ip',
    heartbeatMs = HEARTBEAT_MS,
    secondMs = SECOND_MS,
    roundTripMs = 0,
    clockOf,
    startServer = startApiServer,
  } = options;
  const clock = clockOf === undefined ? undefined : () => clockOf(name);
  const server = await startServer({ name, ...(faults === undefined ? {} : { faults }), ...(clock === undefined ? {} : { clock }) });
  const folder = await mkdtemp(join(tmpdir(), 'skyfabric-cluster-'));
  const kubeconfig = join(folder, 'kubeconfig');
  await writeKubeconfig(kubeconfig, [server]);
  const pools = ['skyfabric-node-agent', 'skyfabric-gateway-agent', 'skyfabric-playground'].map(
    (userAgent) => new ClusterPool({ userAgent, requestTimeoutMs: REQUEST_TIMEOUT_MS }),
  );
  const [nodeClient, gatewayClient, client] = pools.map((pool) => pool.cluster({ context: name, kubeconfig })) as [
    Cluster,
    Cluster,
    Cluster,
  ];
  const network = new PodNetwork();
  const gateway = new GatewayAgent({ cluster: gatewayClient, heartbeatMs, secondMs, roundTripMs, clock });
  const programs = [...gateway.programs, probeProgram, loopbackProgram, measureProgram, echoProgram(name)];
  const node = await NodeAgent.start({
    cluster: nodeClient,
    network,
    nodeName: `${name}-node`,
    programs,
    readyDelayMs,
    secondMs,
    loadBalancer,
  });
  return {
    name,
    server,
    clusterUid: server.clusterUid,
    client,
    network,
    node,
    ingressPort: await freeIngressPort(),
    delays: () => node.delays(),
    incidents: () => gateway.incidents(),
    podOf: (workload) => podOf(client, workload),
    fetchFrom: async (workload, url) => network.fetch(await podOf(client, workload), url),
    close: async () => {
      await Promise.all([node.close(), gateway.close()]);
      // Once more for what pods left to end when they were stopped.
      await gateway.close();
      network.close();
      await Promise.all(pools.map((pool) => pool.close()));
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Deploys the echo server and its Service, and waits until all its pods are ready. @throws unready */
export async function deployEcho(
  { client }: SimulatedCluster,
  {
    namespace,
    name,
    port = 80,
    replicas = 1,
  }: { readonly namespace: string; readonly name: string; readonly port?: number; readonly replicas?: number },
): Promise<void> {
  const container = { name: 'echo', image: ECHO_IMAGE, ports: [{ containerPort: ECHO_PORT }] };
  await deploy(client, { namespace, name, labels: { app: name }, replicas, container });
  await ensure(client, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port, targetPort: ECHO_PORT, protocol: 'TCP' }] },
  });
}

/** Deploys a workload that only calls others, and waits until it is ready. @throws unready */
export async function deployClient(
  { client }: SimulatedCluster,
  {
    namespace,
    name,
    labels = {},
    serviceAccount,
  }: {
    readonly namespace: string;
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly serviceAccount?: string;
  },
): Promise<void> {
  await deploy(client, {
    namespace,
    name,
    labels: { app: name, ...labels },
    replicas: 1,
    container: { name: 'client', image: 'playground/client:1' },
    serviceAccount,
  });
}

async function deploy(
  client: Cluster,
  workload: {
    readonly namespace: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly replicas: number;
    readonly container: object;
    readonly serviceAccount?: string | undefined;
  },
): Promise<void> {
  const { namespace, name, labels, replicas, container, serviceAccount } = workload;
  await ensure(client, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const spec = { containers: [container], ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }) };
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: { metadata: { labels }, spec } },
  };
  await ensure(client, deployment);
  const deadline = Date.now() + WORKLOAD_WAIT_MS;
  for (;;) {
    const now = await client.get<DeploymentResource & { readonly status?: { readonly readyReplicas?: number } }>({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      namespace,
      name,
    });
    if ((now?.status?.readyReplicas ?? 0) >= replicas) return;
    if (Date.now() > deadline)
      throw new FabricError({ code: 'unready', message: `Deployment ${namespace}/${name} on ${client.context} is not ready.` });
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function ensure(client: Cluster, object: KubeObject & { readonly spec?: object }): Promise<void> {
  await client.create(object).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
}

async function podOf(client: Cluster, { namespace, name }: { readonly namespace: string; readonly name: string }): Promise<PodIdentity> {
  const { items } = await client.list<PodResource>({ apiVersion: 'v1', kind: 'Pod', namespace });
  const pod = items.find((one) => isReady(one) && one.metadata.ownerReferences?.some((owner) => owner.name === name) === true);
  if (pod === undefined)
    throw new FabricError({
      code: 'not_found',
      message: `Deployment ${namespace}/${name} on ${client.context} has no running pod to call from.`,
    });
  return {
    namespace,
    name: pod.metadata.name,
    labels: pod.metadata.labels ?? {},
    serviceAccount: pod.spec.serviceAccountName ?? 'default',
  };
}

async function freeIngressPort(): Promise<number> {
  for (;;) {
    const port = FIRST_INGRESS_PORT + Math.floor(Math.random() * INGRESS_PORTS);
    const server = net.createServer();
    const free = await listen(server, port).then(
      () => true,
      () => false,
    );
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
