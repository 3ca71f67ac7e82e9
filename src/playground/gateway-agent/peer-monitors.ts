// The heartbeats of a control plane, and the PeerReachable conditions that follow from them.
// Source: ClusterLink v0.4.1, peer monitor: its thresholds, and what a deleted Peer leaves running.
import type { Cluster } from '../../kubernetes/cluster';
import { refOf } from '../../kubernetes/kube-object';
import type { Incident } from './cluster-view';
import type { Credentials } from './credentials';
import type { DecodedView } from './decoded-view';
import { Heartbeat } from './remote-gateway';
import type { PeerResource } from './resources';
import { isTrue, withCondition } from './resources';

const FIRST_THRESHOLD = 1;
const REACHABLE_THRESHOLD = 3;
const UNREACHABLE_THRESHOLD = 5;
const WRITE_RETRY_MS = 50;
/** Port of the address to which a Peer is pointed before it is deleted. */
const DEFUSED_PORT = 1;

export interface PeerMonitorsOptions {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly peers: DecodedView<PeerResource>;
  readonly credentials: () => Credentials;
  /** Between two heartbeats to one peer. ClusterLink's is 1 s for a healthy peer and 10 s for another; here both are this. */
  readonly heartbeatMs: number;
  /** The time in the cluster, which conditions are stamped with. */
  readonly clock: () => Date;
  readonly report: (incident: Incident) => void;
}

interface Transition {
  readonly name: string;
  readonly reachable: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

/** One monitor for each Peer. A Peer that is deleted leaves its monitor running, as it does in ClusterLink. */
export class PeerMonitors {
  private readonly monitors = new Map<string, PeerMonitor>();
  private readonly all = new Set<PeerMonitor>();
  private readonly transitions: Transition[] = [];
  private readonly unsubscribe: () => void;
  private writing = false;
  private written: Promise<void> | undefined;
  private stopped = false;

  constructor(private readonly options: PeerMonitorsOptions) {
    this.unsubscribe = options.peers.onChange((peer, gone) => {
      if (peer.metadata.namespace !== options.namespace) return;
      if (gone) this.forget(peer);
      else this.follow(peer);
    });
  }

  /** Resolves when the last write has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.unsubscribe();
    for (const monitor of this.all) monitor.stop();
    await this.written;
  }

  private follow(peer: PeerResource): void {
    const { name } = peer.metadata;
    const before = this.monitors.get(name);
    if (before !== undefined && JSON.stringify(before.peer.spec.gateways) === JSON.stringify(peer.spec.gateways)) return;
    before?.stop();
    if (before !== undefined) this.all.delete(before);
    const monitor = new PeerMonitor(peer, before?.healthy, this.options, (reachable, labels) => {
      this.transitions.push({ name, reachable, labels });
      this.write();
    });
    this.monitors.set(name, monitor);
    this.all.add(monitor);
    // A Peer of this name again is what ends a freeze.
    this.write();
  }

  private forget(peer: PeerResource): void {
    const monitor = this.monitors.get(peer.metadata.name);
    this.monitors.delete(peer.metadata.name);
    if (monitor === undefined || (!monitor.healthy && peer.spec.gateways.every(({ port }) => port === DEFUSED_PORT))) return;
    this.report(
      'peer-not-defused',
      peer.metadata.name,
      'deleted while its gateways could answer: its heartbeat goes on, and its next change freezes every PeerReachable',
    );
  }

  private write(): void {
    if (this.writing) return;
    this.writing = true;
    this.written = this.writeAll();
  }

  /** Writes the conditions, one after the other. One whose Peer is gone is waited for, and all others with it. */
  private async writeAll(): Promise<void> {
    for (let next = this.transitions[0]; next !== undefined && !this.stopped; next = this.transitions[0]) {
      const { name, reachable, labels } = next;
      if (!this.monitors.has(name)) {
        this.report('status-frozen', name, 'the control plane waits for a Peer that was deleted; PeerReachable of all peers is frozen');
        break;
      }
      const peer = this.options.peers.get(`${this.options.namespace}/${name}`);
      try {
        if (peer === undefined) throw new Error('the Peer is gone');
        const condition = { type: 'PeerReachable', status: reachable ? 'True' : 'False', reason: 'Heartbeat' } as const;
        const conditions = withCondition(peer.status?.conditions, condition, this.options.clock());
        await this.options.cluster.patchStatus(refOf(peer), { status: { conditions, labels } });
        this.transitions.shift();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, WRITE_RETRY_MS));
      }
    }
    this.writing = false;
  }

  private report(kind: Incident['kind'], name: string, message: string): void {
    this.options.report({ kind, object: `Peer ${this.options.namespace}/${name}`, message });
  }
}

/** The heartbeats to one peer. */
class PeerMonitor {
  private readonly heartbeat: Heartbeat;
  private threshold = FIRST_THRESHOLD;
  private strikes = 0;
  private found = false;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    readonly peer: PeerResource,
    known: boolean | undefined,
    private readonly options: PeerMonitorsOptions,
    private readonly onTransition: (reachable: boolean, labels: Readonly<Record<string, string>>) => void,
  ) {
    this.heartbeat = new Heartbeat(peer.metadata.name, peer.spec.gateways);
    void this.begin(known);
  }

  get healthy(): boolean {
    return this.found;
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.heartbeat.stop();
  }

  /** Takes up where the monitor before it stopped, or, when another pod led until now, what that one wrote last. */
  private async begin(known: boolean | undefined): Promise<void> {
    const { peer, options } = this;
    const stored = known === undefined ? await options.cluster.get<PeerResource>(refOf(peer)).catch(() => undefined) : undefined;
    this.found = known ?? isTrue(stored?.status?.conditions, 'PeerReachable');
    await this.round();
  }

  private async round(): Promise<void> {
    const labels = await this.heartbeat.beat(this.options.credentials()).catch(() => undefined);
    if (this.stopped) return;
    const reachable = labels !== undefined;
    this.strikes = reachable === this.found ? 0 : this.strikes + 1;
    if (this.strikes >= this.threshold) {
      this.found = reachable;
      this.threshold = reachable ? UNREACHABLE_THRESHOLD : REACHABLE_THRESHOLD;
      this.strikes = 0;
      this.onTransition(reachable, labels ?? {});
    }
    this.timer = setTimeout(() => void this.round(), this.options.heartbeatMs);
  }
}
