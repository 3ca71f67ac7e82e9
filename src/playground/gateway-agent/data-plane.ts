// One pod of `cl-dataplane`: carries the bytes. It listens for other gateways, and for local callers of every import,
// and asks the control plane it is connected to about each connection. What it was told it keeps when that control plane goes.
import net from 'node:net';
import tls from 'node:tls';
import { FabricError } from '../../errors/fabric-error';
import type { PodIdentity } from '../network';
import { listen, pipe, reset } from '../network';
import type { Container, RunningProgram } from '../node-agent/program';
import { imageName } from '../node-agent/program';
import type { Attributes } from './access-policy';
import type { Incident } from './cluster-view';
import type { Credentials } from './credentials';
import { readSiteCredentials } from './credentials';
import type { GatewayAnswer, GatewayRequest } from './frame';
import { readFrame, writeFrame } from './frame';

const GATEWAY_PORT = 4_443;
const CONTROL_PORT = 4_444;
const RECONNECT_MS = 100;
/** Envoy is ready without what its control plane has to tell when that does not come in time. Source: ClusterLink v0.4.1, cmd/cl-dataplane/app/envoyconf.go. */
const INITIAL_FETCH_MS = 2_000;
/** Envoy's default for an external authorization, which ClusterLink leaves as it is: it refuses a connection that takes longer. */
const AUTHORIZATION_MS = 200;

/** What a data plane asks of the control plane that it is connected to. */
export interface Director {
  readonly credentials: Credentials;
  readonly labels: Attributes;
  importPorts(): ReadonlyMap<string, number>;
  /** @param patienceMs how long finding a source may take */
  openImport(key: string, caller: PodIdentity | undefined, patienceMs: number): Promise<tls.TLSSocket>;
  authorize(wanted: { readonly namespace: string; readonly name: string }, client: Attributes): Destination;
}

/** Where an incoming connection goes, or why it goes nowhere. */
export type Destination = { readonly host: string; readonly port: number } | { readonly why: string };

/** A running data plane pod. */
export class DataPlane implements RunningProgram {
  private readonly site: Credentials;
  private readonly gateway = net.createServer({ noDelay: true }, (socket) => this.acceptGateway(socket));
  private readonly imports = new Map<string, { readonly port: number; close(): void }>();
  private readonly sockets = new Set<net.Socket>();
  private readonly undo: (() => void)[] = [];
  private terminator: tls.Server | undefined;
  private controlPlane: Director | undefined;
  private reconnect: NodeJS.Timeout | undefined;
  private connecting: Promise<void> | undefined;
  private readonly onAttached = new Set<() => void>();
  private stopped = false;

  /** @throws unready when a mounted file is missing or wrong */
  constructor(
    private readonly container: Container,
    private readonly report: (incident: Incident) => void,
  ) {
    this.site = readSiteCredentials(container.files(), 'dataplane');
  }

  /** Opens the gateway's port, and looks for the control plane; resolves when it follows one, or has waited for one long enough. */
  async listen(): Promise<void> {
    const { network, pod } = this.container;
    const port = await listen(this.gateway);
    this.undo.push(network.expose({ ip: pod.ip, port: GATEWAY_PORT }, port));
    const deadline = Date.now() + INITIAL_FETCH_MS;
    await this.connect();
    while (this.controlPlane === undefined && !this.stopped && Date.now() < deadline) {
      await pause(RECONNECT_MS / 10);
      await this.connect();
    }
    if (this.controlPlane === undefined) this.connectLater();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.reconnect);
    this.gateway.close();
    for (const undo of this.undo) undo();
    for (const listener of this.imports.values()) listener.close();
    for (const socket of this.sockets) socket.destroy();
  }

  /** Follows a control plane for as long as the connection to it stands. */
  attach(controlPlane: Director, stream: net.Socket): void {
    if (this.stopped || stream.destroyed) return;
    this.controlPlane = controlPlane;
    stream.once('close', () => {
      if (this.controlPlane !== controlPlane) return;
      this.controlPlane = undefined;
      void this.connect();
    });
    this.refresh(controlPlane);
    for (const listener of this.onAttached) listener();
  }

  /** Takes over certificates and imports from the control plane it follows; others are not listened to. */
  refresh(controlPlane: Director): void {
    if (this.controlPlane !== controlPlane || this.stopped) return;
    const settings = { ...controlPlane.credentials.options, requestCert: true, rejectUnauthorized: true };
    if (this.terminator === undefined)
      this.terminator = tls
        .createServer(settings, (socket) => void this.serveGateway(socket))
        .on('tlsClientError', (_, socket) => socket.destroy());
    else this.terminator.setSecureContext(settings);
    const ports = controlPlane.importPorts();
    for (const [key, listener] of this.imports) {
      if (ports.get(key) === listener.port) continue;
      listener.close();
      this.imports.delete(key);
    }
    for (const [key, port] of ports) if (!this.imports.has(key)) this.imports.set(key, this.serveImport(key, port));
  }

  /** The control plane to ask: the one that it follows, or another one that is there now. @throws unavailable */
  private async director(): Promise<Director> {
    if (this.controlPlane === undefined) await this.connect();
    if (this.controlPlane === undefined) throw new FabricError({ code: 'unavailable', message: 'The control plane is gone.' });
    return this.controlPlane;
  }

  /** Tries once to find a control plane, and resolves when it is followed or is not there; then it is tried again later. */
  private connect(): Promise<void> {
    clearTimeout(this.reconnect);
    if (this.connecting !== undefined) return this.connecting;
    const attempt = new Promise<void>((resolve) => {
      this.onAttached.add(resolve);
      void this.dialControlPlane().finally(() => {
        this.onAttached.delete(resolve);
        resolve();
      });
    });
    this.connecting = attempt;
    void attempt.then(() => {
      this.connecting = undefined;
      if (this.controlPlane === undefined) this.connectLater();
    });
    return attempt;
  }

  private connectLater(): void {
    clearTimeout(this.reconnect);
    if (!this.stopped) this.reconnect = setTimeout(() => void this.connect(), RECONNECT_MS);
  }

  /** Ends when the connection does. */
  private async dialControlPlane(): Promise<void> {
    const { network, pod, args } = this.container;
    const host = args[args.indexOf('--controlplane-host') + 1] ?? '';
    try {
      const socket = this.track(await network.dial(pod, host, CONTROL_PORT));
      const stream = this.track(
        tls.connect({ socket, servername: 'cl-controlplane', secureContext: this.site.context, rejectUnauthorized: true }),
      );
      stream.once('secureConnect', () => writeFrame(stream, { pod: pod.uid }));
      stream.resume();
      await new Promise((resolve) => stream.once('close', resolve));
      socket.destroy();
    } catch {
      // Not there, or not with certificates of this site: the pod is ready all the same, as ClusterLink's is, and tries again.
    }
  }

  private acceptGateway(socket: net.Socket): void {
    this.track(socket);
    if (this.terminator === undefined) reset(socket);
    else this.terminator.emit('connection', socket);
  }

  /** Answers another gateway, whose certificate the fabric's authority signed. */
  private async serveGateway(socket: tls.TLSSocket): Promise<void> {
    this.track(socket);
    const answer = (message: GatewayAnswer): void => writeFrame(socket, message);
    try {
      for (;;) {
        const request = await readFrame<GatewayRequest>(socket);
        const controlPlane = await this.director();
        if (request.type === 'heartbeat') answer({ type: 'alive', labels: controlPlane.labels });
        else {
          await this.serveExport(socket, controlPlane, request, answer);
          return;
        }
      }
    } catch {
      socket.destroy();
    }
  }

  private async serveExport(
    socket: tls.TLSSocket,
    controlPlane: Director,
    request: GatewayRequest & { type: 'connect' },
    answer: (message: GatewayAnswer) => void,
  ): Promise<void> {
    const verdict = controlPlane.authorize(request.export, request.client);
    if ('why' in verdict) {
      answer({ type: 'refused', why: verdict.why });
      socket.end();
      return;
    }
    answer({ type: 'allowed' });
    const { network, pod } = this.container;
    if (!network.knows(pod.namespace, verdict.host)) {
      const object = `Export ${request.export.namespace}/${request.export.name}`;
      this.report({ kind: 'endless-lookups', object, message: `the data plane looks for ${verdict.host} for ever` });
    }
    const backend = await network.dial(undefined, verdict.host, verdict.port);
    answer({ type: 'connected' });
    pipe(socket, this.track(backend));
  }

  private serveImport(key: string, port: number): { readonly port: number; close(): void } {
    const { network, pod } = this.container;
    const server = net.createServer({ noDelay: true }, (socket) => void this.acceptCaller(key, this.track(socket)));
    let unexpose = (): void => undefined;
    let closed = false;
    void listen(server).then((localPort) => {
      if (closed) server.close();
      else unexpose = network.expose({ ip: pod.ip, port }, localPort);
    });
    return {
      port,
      close: () => {
        closed = true;
        unexpose();
        server.close();
      },
    };
  }

  private async acceptCaller(key: string, socket: net.Socket): Promise<void> {
    try {
      const caller = await this.container.network.callerOf(socket);
      const controlPlane = await this.director();
      const patienceMs = imageName(this.container.image) === 'cl-dataplane' ? AUTHORIZATION_MS : Infinity;
      const remote = this.track(await controlPlane.openImport(key, caller, patienceMs));
      if (socket.destroyed) remote.destroy();
      else pipe(socket, remote);
    } catch {
      reset(socket);
    }
  }

  private track<T extends net.Socket>(socket: T): T {
    this.sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => this.sockets.delete(socket));
    return socket;
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
