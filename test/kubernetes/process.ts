// One program of a cluster, run as a child that ends with us, whose last words are kept.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const LOG_TAIL_LENGTH = 4_000;
const POLL_MS = 25;

export class Running {
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private log = '';
  private over = false;

  constructor(
    readonly name: string,
    [command, ...first]: readonly [string, ...string[]],
    args: readonly string[],
  ) {
    // Its standard input stays open as long as we live: see main.go.
    this.child = spawn(command, [...first, ...args], { stdio: ['pipe', 'ignore', 'pipe'] });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.log = (this.log + text).slice(-LOG_TAIL_LENGTH)));
    this.ended = new Promise((resolve) => {
      const end = (why: string): void => {
        this.over = true;
        this.log += `\n${why}`;
        resolve();
      };
      this.child.once('error', (error) => end(error.message));
      this.child.once('close', (code, signal) => end(`ended with ${code ?? signal ?? 'nothing'}`));
    });
  }

  /** Waits until a condition holds. @throws Error with the program's last words when it ends first, or not in time */
  async until(holds: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!this.over && Date.now() < deadline) {
      if (await holds().catch(() => false)) return;
      await sleep(POLL_MS);
    }
    throw new Error(`${this.name} ${this.over ? 'ended' : `is not ready after ${timeoutMs} ms`}:\n${this.log}`);
  }

  /** Ends it at once: its data goes with the test. */
  async stop(): Promise<void> {
    if (!this.over) this.child.kill('SIGKILL');
    await this.ended;
  }
}

/** Ports of loopback that were free just now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  // A connection that this side ends first keeps the port from whoever asks for any free one, but not from the program that names it.
  servers.forEach((server) => server.on('connection', (socket) => socket.destroy()));
  await Promise.all(ports.map((port) => once(connect({ host: '127.0.0.1', port }).resume(), 'close')));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
