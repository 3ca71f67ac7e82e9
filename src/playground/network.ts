// The pod network and DNS of one simulated cluster. Addresses inside it are invented; each stands for a real listener on
// loopback, so every byte goes through a real socket, and a listener can ask which pod is calling.
import http from 'node:http';
import net from 'node:net';
import { FabricError } from '../errors/fabric-error';

const LOOPBACK = '127.0.0.1';
const DIAL_TIMEOUT_MS = 5_000;
/** An ExternalName may name another one; more hops than this are a loop. */
const MAX_ALIASES = 4;

/** Who calls: what a gateway learns about a pod from its address. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
}

/** An address inside the cluster: a pod's IP and the port its container listens on. */
export interface PodAddress {
  readonly ip: string;
  readonly port: number;
}

/** What a Service name leads to: another name, or for each port the pods that are ready. */
export type ServiceRoute = { readonly externalName: string } | { readonly ports: ReadonlyMap<number, readonly PodAddress[]> };

/** What an HTTP request got. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** One cluster's pod addresses, Services and running calls. */
export class PodNetwork {
  private readonly listeners = new Map<string, number>();
  private readonly routes = new Map<string, ServiceRoute>();
  private readonly turns = new Map<string, number>();
  /** By both ends of the connection: one port may have several at once, to different listeners. */
  private readonly callers = new Map<string, PodIdentity>();
  private readonly connecting = new Set<Promise<unknown>>();
  private readonly open = new Set<net.Socket>();
  private pods = 0;
  private closed = false;

  /** A pod IP that no other pod of this cluster has had. */
  allocateIp(): string {
    this.pods += 1;
    return `10.244.${(this.pods >> 8) & 255}.${this.pods & 255}`;
  }

  /** Makes a pod's port lead to a listener on loopback, until the returned function is called. */
  expose(address: PodAddress, localPort: number): () => void {
    const key = keyOf(address);
    this.listeners.set(key, localPort);
    return () => {
      if (this.listeners.get(key) === localPort) this.listeners.delete(key);
    };
  }

  /** Sets what a Service's name leads to; `undefined` forgets the Service. */
  route(namespace: string, name: string, route: ServiceRoute | undefined): void {
    if (route === undefined) this.routes.delete(`${namespace}/${name}`);
    else this.routes.set(`${namespace}/${name}`, route);
  }

  /**
   * Connects to a Service (`echo`, `echo.demo`, `echo.demo.svc`, `echo.demo.svc.cluster.local`), a pod IP or a loopback address.
   * @param from the calling pod; without it, the call comes from outside of every pod.
   * @throws unreachable naming host:port and whether the name, the Service or the listener is what failed
   */
  async dial(from: PodIdentity | undefined, host: string, port: number, timeoutMs = DIAL_TIMEOUT_MS): Promise<net.Socket> {
    if (this.closed) throw unreachable(host, port, 'the cluster is gone');
    const localPort = this.resolve(from?.namespace ?? 'default', host, port);
    const socket = net.connect({ host: LOOPBACK, port: localPort, noDelay: true });
    const connected = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      socket
        .once('connect', resolve)
        .once('error', reject)
        .once('close', () => reject(new Error('closed')));
      connectedOrClosed(socket, () => clearTimeout(timer));
    }).then(() => {
      const { localPort: ownPort } = socket;
      if (from === undefined || ownPort === undefined) return;
      const ends = `${ownPort}>${localPort}`;
      this.callers.set(ends, from);
      socket.once('close', () => this.callers.delete(ends));
    });
    this.open.add(socket);
    socket.once('close', () => this.open.delete(socket));
    // An error after the connection stands belongs to the socket's user; without one it must not end the process.
    socket.on('error', () => undefined);
    this.connecting.add(connected);
    try {
      await connected;
      return socket;
    } catch (error) {
      throw unreachable(host, port, error instanceof Error ? error.message : String(error));
    } finally {
      this.connecting.delete(connected);
    }
  }

  /** The pod at the other end of an accepted connection; `undefined` when it is no pod of this cluster. */
  async callerOf(accepted: net.Socket): Promise<PodIdentity | undefined> {
    const ends = `${accepted.remotePort ?? 0}>${accepted.localPort ?? 0}`;
    // The listener may hear of a connection before the one who made it does, and only he knows both port and pod.
    for (;;) {
      const caller = this.callers.get(ends);
      if (caller !== undefined || this.connecting.size === 0) return caller;
      await Promise.allSettled([Promise.race(this.connecting)]);
    }
  }

  /** Sends an HTTP GET from a pod, over a connection of its own. @throws unreachable when no answer comes */
  async fetch(from: PodIdentity | undefined, url: string, timeoutMs = DIAL_TIMEOUT_MS): Promise<HttpAnswer> {
    const { hostname, port: givenPort, pathname, search, host } = new URL(url);
    const port = givenPort === '' ? 80 : Number(givenPort);
    const socket = await this.dial(from, hostname, port, timeoutMs);
    return await new Promise<HttpAnswer>((resolve, reject) => {
      const fail = (error: Error): void => reject(unreachable(hostname, port, error.message));
      const request = http.get(
        { createConnection: () => socket, host: hostname, path: pathname + search, headers: { host, connection: 'close' } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', fail);
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }));
        },
      );
      request.setTimeout(timeoutMs, () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      request.on('error', fail);
    });
  }

  /** Ends all calls, and takes no more. */
  close(): void {
    this.closed = true;
    for (const socket of this.open) socket.destroy();
  }

  /** Whether DNS knows a host, as a pod of this namespace asks for it. */
  knows(namespace: string, host: string): boolean {
    return host === 'localhost' || net.isIP(host) !== 0 || this.lookup(namespace, host) !== undefined;
  }

  /** The loopback port that a name or address leads to now. */
  private resolve(namespace: string, host: string, port: number): number {
    if (host === LOOPBACK || host === 'localhost') return port;
    if (net.isIP(host) !== 0) return this.listenerAt({ ip: host, port }, host, port);
    const service = this.lookup(namespace, host);
    if (service === undefined) throw unreachable(host, port, 'the name is unknown');
    const backends = service.ports.get(port);
    if (backends === undefined) throw unreachable(host, port, 'connection refused: the Service has no such port');
    const turnKey = `${service.key}:${port}`;
    const turn = this.turns.get(turnKey) ?? 0;
    this.turns.set(turnKey, turn + 1);
    const backend = backends[turn % backends.length];
    if (backend === undefined) throw unreachable(host, port, 'connection refused: the Service has no ready endpoint');
    return this.listenerAt(backend, host, port);
  }

  /** The Service that a name stands for at the end of all aliases. */
  private lookup(
    namespace: string,
    host: string,
    aliases = 0,
  ): { readonly key: string; readonly ports: ReadonlyMap<number, readonly PodAddress[]> } | undefined {
    const [name = '', inNamespace = namespace, ...rest] = host.replace(/\.$/, '').split('.');
    const key = `${inNamespace}/${name}`;
    const route = ['', 'svc', 'svc.cluster.local'].includes(rest.join('.')) ? this.routes.get(key) : undefined;
    if (route === undefined || aliases > MAX_ALIASES) return undefined;
    return 'externalName' in route ? this.lookup(inNamespace, route.externalName, aliases + 1) : { key, ports: route.ports };
  }

  private listenerAt(address: PodAddress, host: string, port: number): number {
    const localPort = this.listeners.get(keyOf(address));
    if (localPort === undefined) throw unreachable(host, port, `connection refused: nothing listens at ${keyOf(address)}`);
    return localPort;
  }
}

/** Carries bytes both ways until either side ends; an error on one side resets the other. */
export function pipe(a: net.Socket, b: net.Socket): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.on('error', () => reset(to));
    from.on('close', () => to.destroySoon());
    from.pipe(to);
  }
}

/** Ends a connection the hard way, as a refused caller sees it. */
export function reset(socket: net.Socket): void {
  if (socket.destroyed) return;
  // A TLS connection cannot be reset by itself: its close is seen as an abort before any answer. Nor can one that is
  // shutting down (EINVAL): Node then loses its handle, and spins for ever when the process ends.
  if ('encrypted' in socket || socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** Listens on loopback, at a free port by default. @throws the listening error, such as EADDRINUSE or EACCES */
export async function listen(server: net.Server, port = 0): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return (server.address() as net.AddressInfo).port;
}

function connectedOrClosed(socket: net.Socket, done: () => void): void {
  socket.once('connect', done).once('close', done);
}

function keyOf({ ip, port }: PodAddress): string {
  return `${ip}:${port}`;
}

function unreachable(host: string, port: number, why: string): FabricError {
  return new FabricError({ code: 'unreachable', message: `${host}:${port} is not reachable: ${why}.` });
}
