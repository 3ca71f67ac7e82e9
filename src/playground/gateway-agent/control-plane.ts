// One pod of `cl-controlplane`: it knows the peers and policies, decides on every connection, and finds the source for it.
// Source: ClusterLink v0.4.1, authorization manager, for the order of its decisions.
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { FabricError } from '../../errors/fabric-error';
import type { PodIdentity } from '../network';
import { listen } from '../network';
import type { Container, RunningProgram } from '../node-agent/program';
import { clientAttributes, isAllowed, serviceAttributes } from './access-policy';
import type { Attributes } from './access-policy';
import type { ClusterView, Incident } from './cluster-view';
import type { Credentials } from './credentials';
import { readPeerCredentials, readSiteCredentials } from './credentials';
import type { DataPlane, Destination, Director } from './data-plane';
import { readFrame } from './frame';
import { openExport } from './remote-gateway';
import type { ImportSource } from './resources';
import { isTrue } from './resources';
import { SourceOrder } from './source-order';

const CONTROL_PORT = 4_444;
const HELLO_TIMEOUT_MS = 10_000;

/** What a control plane pod needs of the cluster it runs in. */
export interface ControlPlaneOptions {
  readonly container: Container;
  readonly view: ClusterView;
  readonly report: (incident: Incident) => void;
  /** The data plane pods of this cluster, by pod uid. */
  readonly dataPlanes: ReadonlyMap<string, DataPlane>;
  /** From this gateway to another and back. */
  readonly roundTripMs: number;
}

/** A running control plane pod. Data planes hold a connection to it over the site's own certificates. */
export class ControlPlane implements RunningProgram, Director {
  readonly namespace: string;
  readonly labels: Attributes;
  credentials: Credentials;
  private readonly order = new SourceOrder();
  private readonly site: Credentials;
  private readonly server: tls.Server;
  private readonly streams = new Set<tls.TLSSocket>();
  private readonly undo: (() => void)[] = [];
  private stopped = false;

  /** @throws unready when a mounted file or a resource makes ClusterLink's process end at its start */
  constructor(private readonly options: ControlPlaneOptions) {
    const { container, view } = options;
    this.namespace = container.env.get('CL_NAMESPACE') ?? '';
    if (this.namespace === '') throw new FabricError({ code: 'unready', message: 'CL_NAMESPACE is not set' });
    this.labels = peerLabelsOf(container.args);
    this.site = readSiteCredentials(container.files(), 'controlplane');
    this.credentials = readPeerCredentials(container.files());
    this.server = tls.createServer(
      { ...this.site.options, requestCert: true, rejectUnauthorized: true },
      (stream) => void this.admit(stream),
    );
    this.undo.push(
      view.peers.onChange(({ metadata, spec }, gone) => {
        if (!gone && metadata.namespace === this.namespace && spec.gateways.length === 0)
          this.crash(`Peer ${this.namespace}/${metadata.name}`, 'panic: index out of range: a Peer has no gateways');
      }),
      view.imports.onChange(() => this.tellDataPlanes()),
    );
    container.onFilesChanged(() => this.reload());
  }

  /** Opens the port that data planes connect to. */
  async listen(): Promise<void> {
    const { container } = this.options;
    const port = await listen(this.server);
    this.undo.push(container.network.expose({ ip: container.pod.ip, port: CONTROL_PORT }, port));
  }

  stop(): void {
    this.stopped = true;
    for (const undo of this.undo) undo();
    this.server.close();
    for (const stream of this.streams) stream.destroy();
  }

  /** The ports that data planes listen on, by Import. The data plane's own port is taken already, so an Import with it never works. */
  importPorts(): ReadonlyMap<string, number> {
    const valid = this.options.view.imports
      .list()
      .filter(
        ({ spec, status }) =>
          spec.targetPort !== undefined && spec.targetPort !== 4_443 && isTrue(status?.conditions, 'ImportTargetPortValid'),
      );
    return new Map(valid.map(({ metadata, spec }) => [`${metadata.namespace ?? ''}/${metadata.name}`, spec.targetPort ?? 0]));
  }

  /**
   * Opens a connection to one of an Import's sources, on which bytes may flow.
   * Every source that is asked costs a round trip, and when they took too long the data plane has given up.
   * @throws unreachable or forbidden when no source takes it; the caller is then reset
   */
  async openImport(key: string, caller: PodIdentity | undefined, patienceMs: number): Promise<tls.TLSSocket> {
    const { view } = this.options;
    const object = view.imports.get(key);
    if (object === undefined) throw refusal(`Import ${key} is gone`);
    const order = this.order.next(key, object.spec);
    if (order === undefined) {
      this.crash(`Import ${key}`, `panic: unknown load balancing scheme ${object.spec.lbScheme ?? ''}`);
      throw refusal('the control plane crashed');
    }
    const known = caller !== undefined && view.knows(caller) ? caller : undefined;
    const client = clientAttributes(known, this.credentials.name, this.labels);
    const unreachable: ImportSource[] = [];
    const asking: Asking = { key, client, patienceMs, spentMs: 0 };
    for (const source of order) {
      const peer = view.peers.get(`${this.namespace}/${source.peer}`);
      // As in ClusterLink, this ends the attempt: no other source is tried.
      if (peer === undefined) throw refusal(`Import ${key} names peer ${source.peer}, for which there is no Peer`);
      if (!isTrue(peer.status?.conditions, 'PeerReachable')) unreachable.push(source);
      else {
        const socket = await this.trySource(source, asking);
        if (socket !== undefined) return socket;
      }
    }
    for (const source of unreachable) {
      const socket = await this.trySource(source, asking);
      if (socket !== undefined) return socket;
    }
    throw refusal(`Import ${key}: no source took the connection`);
  }

  /** Where an incoming connection goes, or why it goes nowhere. */
  authorize(wanted: { readonly namespace: string; readonly name: string }, client: Attributes): Destination {
    const { view } = this.options;
    const object = view.exports.get(`${wanted.namespace}/${wanted.name}`);
    if (object === undefined) return { why: 'there is no such export' };
    const service = serviceAttributes({ ...wanted, labels: object.metadata.labels ?? {} }, this.credentials.name, this.labels);
    if (!isAllowed(view.policies(), client, service, wanted.namespace)) return { why: 'no access policy allows it' };
    const { host = '', port } = object.spec;
    return { host: host === '' ? `${wanted.name}.${wanted.namespace}.svc` : host, port };
  }

  private async trySource(source: ImportSource, asking: Asking): Promise<tls.TLSSocket | undefined> {
    const { view, roundTripMs } = this.options;
    const { key, client } = asking;
    const object = view.imports.get(key);
    const peer = view.peers.get(`${this.namespace}/${source.peer}`);
    if (object === undefined || peer === undefined) return undefined;
    const { metadata } = object;
    const wanted = { namespace: source.exportNamespace, name: source.exportName };
    const service = serviceAttributes({ ...wanted, labels: metadata.labels ?? {} }, source.peer, peer.status?.labels ?? {});
    if (!isAllowed(view.policies(), client, service, metadata.namespace ?? '')) return undefined;
    const gateway = { peer: source.peer, gateways: peer.spec.gateways, credentials: this.credentials };
    if (roundTripMs > 0) await sleep(roundTripMs);
    const opened = await openExport(gateway, wanted, client).catch(() => undefined);
    asking.spentMs += roundTripMs;
    // Counted, not measured: a busy machine is not a long way.
    if (asking.spentMs > asking.patienceMs) {
      opened?.socket.destroy();
      throw refusal(`Import ${key}: the data plane waits no longer than ${asking.patienceMs} ms for a source`);
    }
    // Once a source has allowed the connection there is no going back to another one.
    await opened?.connected();
    return opened?.socket;
  }

  /** Takes a data plane whose certificate the site's authority signed. */
  private async admit(stream: tls.TLSSocket): Promise<void> {
    // Its handshake began before the port was closed: nobody is to follow a control plane that has gone.
    if (this.stopped) {
      stream.destroy();
      return;
    }
    this.streams.add(stream);
    stream.on('error', () => undefined).once('close', () => this.streams.delete(stream));
    try {
      const { pod } = await readFrame<{ readonly pod: string }>(stream, HELLO_TIMEOUT_MS);
      this.options.dataPlanes.get(pod)?.attach(this, stream);
    } catch {
      stream.destroy();
    }
  }

  private reload(): void {
    try {
      this.credentials = readPeerCredentials(this.options.container.files());
      this.tellDataPlanes();
    } catch (error) {
      this.options.container.exit(1, error instanceof Error ? error.message : String(error));
    }
  }

  private tellDataPlanes(): void {
    for (const dataPlane of this.options.dataPlanes.values()) dataPlane.refresh(this);
  }

  private crash(object: string, message: string): void {
    this.options.report({ kind: 'control-plane-crash', object, message });
    // Not from within the constructor: a process that panics has at least begun.
    setImmediate(() => this.options.container.exit(2, message));
  }
}

/** The search for a source for one connection. */
interface Asking {
  readonly key: string;
  readonly client: Attributes;
  readonly patienceMs: number;
  spentMs: number;
}

function peerLabelsOf(args: readonly string[]): Attributes {
  const given = args.flatMap((arg, index) =>
    arg === '--peer-label' ? [args[index + 1] ?? ''] : arg.startsWith('--peer-label=') ? [arg.slice('--peer-label='.length)] : [],
  );
  return Object.fromEntries(given.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

function refusal(why: string): FabricError {
  return new FabricError({ code: 'unreachable', message: `${why}.` });
}
