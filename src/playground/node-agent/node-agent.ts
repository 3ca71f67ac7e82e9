// What the control loops and the one node of a cluster do: Deployments, Jobs and Services become ready, and pods run.
import type { Cluster } from '../../kubernetes/cluster';
import type { KubeObject } from '../../kubernetes/kube-object';
import { refOf } from '../../kubernetes/kube-object';
import { isAlreadyExists } from '../../kubernetes/kubernetes-errors';
import { Informer } from '../informer';
import type { PodNetwork } from '../network';
import { Deployments } from './deployments';
import { Jobs } from './jobs';
import { Kubelet } from './kubelet';
import type { Program } from './program';
import type { DataResource, DeploymentResource, EndpointSliceResource, JobResource, PodResource, ServiceResource } from './resources';
import type { LoadBalancerMode } from './services';
import { Services } from './services';

export interface NodeAgentOptions {
  readonly cluster: Cluster;
  readonly network: PodNetwork;
  /** Name of the node. */
  readonly nodeName: string;
  /** What images and Jobs run; the first that fits. */
  readonly programs: readonly Program[];
  /** From a pod's creation to its containers' start. */
  readonly readyDelayMs: number;
  /** How long a second lasts that a pod is told to wait: before it counts as available, and before it stops. */
  readonly secondMs: number;
  readonly loadBalancer: LoadBalancerMode;
}

/** The delays of a simulated cluster that real ones would have in other lengths. */
export interface SimulatedDelays {
  readonly podStarts: number;
  /** Of all pod starts together; pods start in parallel. */
  readonly podStartMs: number;
}

/** A running node agent. */
export class NodeAgent {
  private constructor(
    private readonly options: NodeAgentOptions,
    private readonly abort: AbortController,
    private readonly informers: readonly Informer<KubeObject>[],
    private readonly kubelet: Kubelet,
    private readonly controllers: readonly { close(): Promise<void> }[],
  ) {}

  /** Registers the node, and begins to work on everything that the cluster holds. */
  static async start(options: NodeAgentOptions): Promise<NodeAgent> {
    const { cluster, network, nodeName, secondMs } = options;
    const abort = new AbortController();
    const informers: Informer<KubeObject>[] = [];
    const watch = <T extends KubeObject>(apiVersion: string, kind: string): Informer<T> => {
      const informer = new Informer<T>(cluster, { apiVersion, kind }, abort.signal);
      informers.push(informer as unknown as Informer<KubeObject>);
      return informer;
    };
    const pods = watch<PodResource>('v1', 'Pod');
    const deployments = watch<DeploymentResource>('apps/v1', 'Deployment');
    const jobs = watch<JobResource>('batch/v1', 'Job');
    const services = watch<ServiceResource>('v1', 'Service');
    const slices = watch<EndpointSliceResource>('discovery.k8s.io/v1', 'EndpointSlice');
    const secrets = watch<DataResource>('v1', 'Secret');
    const configMaps = watch<DataResource>('v1', 'ConfigMap');
    await Promise.all([registerNode(cluster, nodeName), ...informers.map((informer) => informer.synced)]);
    const kubelet = new Kubelet({ ...options, pods, secrets, configMaps });
    const controllers = [
      new Deployments(cluster, nodeName, secondMs, deployments, pods),
      new Jobs(cluster, nodeName, jobs, pods),
      new Services({ ...options, network, services, slices, pods }),
    ];
    return new NodeAgent(options, abort, informers, kubelet, controllers);
  }

  delays(): SimulatedDelays {
    return { podStarts: this.kubelet.delays, podStartMs: this.kubelet.delays * this.options.readyDelayMs };
  }

  /** Stops every pod and every watch; nothing is changed in the cluster. */
  async close(): Promise<void> {
    this.abort.abort();
    await Promise.all([this.kubelet.close(), ...this.controllers.map((controller) => controller.close())]);
    await Promise.all(this.informers.map((informer) => informer.stopped()));
  }
}

async function registerNode(cluster: Cluster, name: string): Promise<void> {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { 'kubernetes.io/hostname': name } } };
  await cluster.create(node).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
  const now = new Date().toISOString();
  const status = {
    addresses: [
      { type: 'InternalIP', address: '127.0.0.1' },
      { type: 'Hostname', address: name },
    ],
    conditions: [
      { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'simulated', lastHeartbeatTime: now, lastTransitionTime: now },
    ],
    nodeInfo: { architecture: 'amd64', operatingSystem: 'linux', kubeletVersion: 'v1.32.0', containerRuntimeVersion: 'simulated://1' },
  };
  await cluster.patchStatus(refOf(node), { status });
}
