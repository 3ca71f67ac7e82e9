// ClusterLink as one cluster's pods run it: the programs behind its three images, and what they share.
import { FabricError } from '../../errors/fabric-error';
import type { Cluster } from '../../kubernetes/cluster';
import { isAlreadyExists } from '../../kubernetes/kubernetes-errors';
import type { Container, Program, RunningProgram } from '../node-agent/program';
import { imageName } from '../node-agent/program';
import type { Incident } from './cluster-view';
import { ClusterView } from './cluster-view';
import { ControlPlane } from './control-plane';
import { DataPlane } from './data-plane';
import { ExportController } from './export-controller';
import { ImportController } from './import-controller';
import { Leases } from './leases';
import { Operator } from './operator';
import { PeerMonitors } from './peer-monitors';

export interface GatewayAgentOptions {
  readonly cluster: Cluster;
  readonly heartbeatMs: number;
  /** How long a second of a Lease lasts. */
  readonly secondMs: number;
  /** From a gateway to another and back. */
  readonly roundTripMs: number;
  /** The time in the cluster. Default: the system's. */
  readonly clock?: (() => Date) | undefined;
}

interface ControlPlanePod {
  readonly controlPlane: ControlPlane;
  readonly name: string;
  readonly view: ClusterView;
}

/** The gateways of one cluster, in whatever namespaces their Deployments are. */
export class GatewayAgent {
  private readonly dataPlanes = new Map<string, DataPlane>();
  private readonly pods = new Map<string, readonly ControlPlanePod[]>();
  private readonly leaders = new Map<string, { readonly pod: ControlPlanePod; readonly stop: () => Promise<void> }>();
  private readonly elections = new Map<string, Promise<void>>();
  private readonly ending = new Set<Promise<unknown>>();
  private readonly leases: Leases;
  private readonly starting = new Set<() => void>();
  private readonly seen: Incident[] = [];
  private opened: { readonly view: Promise<ClusterView>; readonly abort: AbortController } | undefined;
  private users = 0;
  private closed = false;

  constructor(private readonly options: GatewayAgentOptions) {
    this.leases = new Leases(options.cluster, options.secondMs);
  }

  /** What containers with ClusterLink's images run. */
  readonly programs: readonly Program[] = [
    { runs: ({ image }) => imageName(image) === 'cl-controlplane', start: (container) => this.startControlPlane(container) },
    {
      runs: ({ image }) => ['cl-dataplane', 'cl-go-dataplane'].includes(imageName(image)),
      start: (container) => this.startDataPlane(container),
    },
    { runs: ({ image }) => imageName(image) === 'cl-operator', start: () => this.startOperator() },
  ];

  /** Everything that happened here and would have harmed a real ClusterLink; empty is what an orchestrator is to aim at. */
  incidents(): readonly Incident[] {
    return [...this.seen];
  }

  /** Lets no gateway start any more, and resolves when everything has ended; the pods are stopped by their node. */
  async close(): Promise<void> {
    this.closed = true;
    this.leases.close();
    for (const stop of this.starting) stop();
    this.opened?.abort.abort();
    while (this.ending.size > 0) await Promise.allSettled([...this.ending]);
  }

  private async startControlPlane(container: Container): Promise<RunningProgram> {
    const view = this.openView();
    let controlPlane: ControlPlane | undefined;
    try {
      const { roundTripMs } = this.options;
      controlPlane = new ControlPlane({ container, view: await view, report: this.report, dataPlanes: this.dataPlanes, roundTripMs });
      await controlPlane.listen();
      await this.ensureSecretAndLease(controlPlane.namespace);
    } catch (error) {
      controlPlane?.stop();
      this.closeView();
      throw error;
    }
    const running = controlPlane;
    this.join({ controlPlane: running, name: container.pod.name, view: await view });
    return {
      stop: () => {
        running.stop();
        this.leave(running);
        this.closeView();
      },
    };
  }

  private async startDataPlane(container: Container): Promise<RunningProgram> {
    const dataPlane = new DataPlane(container, this.report);
    const stop = (): void => {
      this.dataPlanes.delete(container.pod.uid);
      dataPlane.stop();
    };
    // Control planes find it from now on: it is not ready before it has heard of one.
    this.dataPlanes.set(container.pod.uid, dataPlane);
    this.starting.add(stop);
    try {
      await dataPlane.listen();
    } catch (error) {
      stop();
      throw error;
    } finally {
      this.starting.delete(stop);
    }
    return { stop };
  }

  private async startOperator(): Promise<RunningProgram> {
    const operator = await Operator.start(this.options.cluster);
    return { stop: () => this.finish(operator.stop()) };
  }

  private join(pod: ControlPlanePod): void {
    const { namespace } = pod.controlPlane;
    this.pods.set(namespace, [...(this.pods.get(namespace) ?? []), pod]);
    this.elect(namespace);
  }

  private leave(controlPlane: ControlPlane): void {
    const { namespace } = controlPlane;
    const rest = (this.pods.get(namespace) ?? []).filter((pod) => pod.controlPlane !== controlPlane);
    this.pods.set(namespace, rest);
    this.elect(namespace);
  }

  /** The first control plane of a namespace leads: only the leader writes. The next one waits for its last write, and for its Lease. */
  private elect(namespace: string): void {
    const electing = (this.elections.get(namespace) ?? Promise.resolve()).then(async () => {
      const leader = this.leaders.get(namespace);
      if (leader !== undefined && leader.pod === this.pods.get(namespace)?.[0]) return;
      this.leaders.delete(namespace);
      await leader?.stop();
      if (leader !== undefined) this.leases.leave(namespace);
      if (this.pods.get(namespace)?.[0] === undefined) return;
      await this.leases.free(namespace);
      const pod = this.pods.get(namespace)?.[0];
      if (pod === undefined || this.closed) return;
      await this.leases.take(namespace, pod.name);
      this.leaders.set(namespace, { pod, stop: this.lead(pod) });
    });
    this.elections.set(namespace, electing);
    this.finish(electing);
  }

  /** Starts the controllers of a leader. @returns what stops them, and resolves when nothing of theirs is written any more */
  private lead({ controlPlane, view }: ControlPlanePod): () => Promise<void> {
    const { cluster, heartbeatMs, clock = () => new Date() } = this.options;
    const { namespace } = controlPlane;
    const monitors = new PeerMonitors({
      cluster,
      namespace,
      peers: view.peers,
      credentials: () => controlPlane.credentials,
      heartbeatMs,
      clock,
      report: this.report,
    });
    const controllers = [monitors, new ImportController(cluster, view, namespace), new ExportController(cluster, view)];
    return async () => {
      await Promise.all(controllers.map((controller) => controller.stop()));
    };
  }

  /** The one Secret and the one Lease that a control plane makes itself. */
  private async ensureSecretAndLease(namespace: string): Promise<void> {
    const { cluster } = this.options;
    const key = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64');
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'jwk', namespace },
      data: { key: Buffer.from(key).toString('base64') },
    };
    const create = cluster.create(secret).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
    await Promise.all([create, this.leases.ensure(namespace)]);
  }

  /** The views are open while a control plane runs: without one, ClusterLink's definitions may not even be there. */
  private async openView(): Promise<ClusterView> {
    this.users += 1;
    if (this.closed) throw new FabricError({ code: 'unavailable', message: 'The cluster is gone.' });
    if (this.opened === undefined) {
      const abort = new AbortController();
      this.opened = { view: ClusterView.open(this.options.cluster, abort.signal, this.report), abort };
    }
    return this.opened.view;
  }

  private closeView(): void {
    this.users -= 1;
    if (this.users > 0 || this.opened === undefined) return;
    const { view, abort } = this.opened;
    this.opened = undefined;
    abort.abort();
    this.finish(view.then((opened) => opened.stopped()));
  }

  private readonly report = (incident: Incident): void => {
    if (!this.seen.some(({ kind, object }) => kind === incident.kind && object === incident.object)) this.seen.push(incident);
  };

  /** Lets something end in its own time; `close` waits for it. */
  private finish(ending: Promise<unknown>): void {
    const settled = ending.catch(() => undefined).finally(() => this.ending.delete(settled));
    this.ending.add(settled);
  }
}
