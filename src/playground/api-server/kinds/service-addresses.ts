// Cluster IPs and node ports. Node ports are real: agents listen on them on loopback, so one is handed out only when it can be
// bound, and never to two clusters of this machine.

import { createServer, type Server } from 'node:net';
import { objectsAt, valueAt, type KubeObject } from '../object';

const FIRST_NODE_PORT = 30_000;
const LAST_NODE_PORT = 32_767;
const AGENTS_ADDRESS = '127.0.0.1';
// Listening here marks a port as taken for the other processes of this machine (parallel tests). Not every system has the address.
const LOCK_ADDRESS = '127.0.0.2';

// Shared by every cluster of the process, because they share its loopback interface.
const portsInUse = new Map<number, Server | undefined>();

/** Whether a number lies in the range of node ports. */
export function isNodePort(port: unknown): boolean {
  return typeof port === 'number' && Number.isInteger(port) && port >= FIRST_NODE_PORT && port <= LAST_NODE_PORT;
}

/** The addresses of one cluster's Services. */
export class AddressAllocator {
  private readonly reserved: number[] = [];
  private readonly held = new Set<number>();
  private nextHost = 10;

  /** Finds bindable ports, so that `takeNodePort` can be called that many times without waiting. */
  async reserveNodePorts(count: number): Promise<void> {
    while (this.reserved.length < count) {
      const port = FIRST_NODE_PORT + Math.floor(Math.random() * (LAST_NODE_PORT - FIRST_NODE_PORT + 1));
      if (portsInUse.has(port)) continue;
      portsInUse.set(port, undefined);
      const lock = await listen(port, LOCK_ADDRESS);
      const probe = lock === 'EADDRINUSE' ? lock : await listen(port, AGENTS_ADDRESS);
      if (typeof lock !== 'string') portsInUse.set(port, lock);
      if (typeof probe === 'string') release(port);
      else {
        await new Promise((resolve) => probe.close(resolve));
        this.reserved.push(port);
      }
    }
  }

  /** A port that was reserved. */
  takeNodePort(): number {
    const port = this.reserved.pop();
    if (port === undefined) throw new Error('no node port was reserved before the Service was written');
    this.held.add(port);
    return port;
  }

  /** Marks a port that a Service names itself. */
  holdNodePort(port: number): void {
    this.held.add(port);
    if (!portsInUse.has(port)) portsInUse.set(port, undefined);
  }

  /** An address of 10.96.0.0/16. */
  nextClusterIp(): string {
    this.nextHost += 1;
    return `10.96.${(this.nextHost >> 8) & 255}.${this.nextHost & 255}`;
  }

  /** Gives back every held port that none of these Services has. */
  keepOnly(services: readonly KubeObject[]): void {
    const used = new Set(services.flatMap(nodePortsOf));
    for (const port of [...this.held]) if (!used.has(port)) this.release(port);
  }

  /** Gives back everything. */
  close(): void {
    for (const port of [...this.held, ...this.reserved.splice(0)]) this.release(port);
  }

  private release(port: number): void {
    this.held.delete(port);
    release(port);
  }
}

function release(port: number): void {
  portsInUse.get(port)?.close();
  portsInUse.delete(port);
}

/** The node ports of a Service. */
export function nodePortsOf(service: KubeObject): number[] {
  const healthCheck = valueAt(service, 'spec', 'healthCheckNodePort');
  return [...objectsAt(service, 'spec', 'ports').map((port) => port['nodePort']), healthCheck].filter((port) => typeof port === 'number');
}

/** A listener that keeps no process alive, or the code of the error that prevents it. */
function listen(port: number, address: string): Promise<Server | string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, address, () => resolve(server));
  });
}
