// An address where whoever comes is counted and hung up on: for tests of commands that must not, or cannot, reach a server.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';

/** A listener on loopback that closes every connection at once. */
export class DeadAddress {
  /** How many have come so far. */
  connections = 0;
  private readonly server: Server = createServer((socket) => {
    this.connections += 1;
    socket.destroy();
  });

  static async listen(): Promise<DeadAddress> {
    const dead = new DeadAddress();
    await once(dead.server.listen(0, '127.0.0.1'), 'listening');
    return dead;
  }

  /** `host:port`. */
  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.close();
  }
}
