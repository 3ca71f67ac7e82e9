// Calls to another peer's gateway over mutual TLS: heartbeats, which keep one connection, and connections to exports.
import tls from 'node:tls';
import { FabricError } from '../../errors/fabric-error';
import type { Credentials } from './credentials';
import type { GatewayAnswer } from './frame';
import { readFrame, writeFrame } from './frame';
import type { Gateway } from './resources';

/** ClusterLink's is 3 s; a simulated gateway shares its machine with all the others. */
const CALL_TIMEOUT_MS = 10_000;
const HEARTBEAT_TIMEOUT_MS = 2_000;

/** Opens a connection to whichever of a peer's gateways answers first and shows a certificate for the peer's name. @throws unreachable */
async function connectGateway(peer: string, gateways: readonly Gateway[], credentials: Credentials): Promise<tls.TLSSocket> {
  const attempts = gateways.map((gateway) => connectOne(peer, gateway, credentials));
  try {
    const first = await Promise.any(attempts);
    for (const attempt of attempts)
      void attempt.then(
        (socket) => socket === first || socket.destroy(),
        () => undefined,
      );
    return first;
  } catch (error) {
    const reasons = error instanceof AggregateError ? error.errors.map((reason: Error) => reason.message) : [];
    throw new FabricError({ code: 'unreachable', message: `Gateway of ${peer} does not answer: ${reasons.join('; ')}`, cause: error });
  }
}

/** Asks a peer for an export; resolves once it is allowed. `connected` then tells that bytes may flow. @throws unreachable; forbidden when refused */
export async function openExport(
  gateway: { readonly peer: string; readonly gateways: readonly Gateway[]; readonly credentials: Credentials },
  wanted: { readonly namespace: string; readonly name: string },
  client: Readonly<Record<string, string>>,
): Promise<{ readonly socket: tls.TLSSocket; connected(): Promise<void> }> {
  const socket = await connectGateway(gateway.peer, gateway.gateways, gateway.credentials);
  const expect = async (type: GatewayAnswer['type']): Promise<void> => {
    try {
      const answer = await readFrame<GatewayAnswer>(socket, CALL_TIMEOUT_MS);
      if (answer.type === type) return;
      throw new FabricError({
        code: 'forbidden',
        message: `${gateway.peer} refuses ${wanted.namespace}/${wanted.name}: ${answer.type === 'refused' ? answer.why : answer.type}.`,
      });
    } catch (error) {
      socket.destroy();
      throw error;
    }
  };
  writeFrame(socket, { type: 'connect', export: wanted, client });
  await expect('allowed');
  return { socket, connected: () => expect('connected') };
}

/**
 * The heartbeats to one peer. They go over one connection while it lasts, so that, as with ClusterLink,
 * a heartbeat does not notice a certificate that the other gateway has replaced since.
 */
export class Heartbeat {
  private socket: tls.TLSSocket | undefined;
  private credentials: Credentials | undefined;
  private stopped = false;

  constructor(
    private readonly peer: string,
    private readonly gateways: readonly Gateway[],
  ) {}

  /** Sends one heartbeat and returns the peer's labels. @throws unreachable */
  async beat(credentials: Credentials): Promise<Readonly<Record<string, string>>> {
    if (this.credentials !== credentials) this.drop();
    this.credentials = credentials;
    if (this.socket === undefined || this.socket.destroyed) {
      const socket = await connectGateway(this.peer, this.gateways, credentials);
      this.socket = socket;
      if (this.stopped) this.drop();
    }
    try {
      writeFrame(this.socket, { type: 'heartbeat' });
      const answer = await readFrame<GatewayAnswer>(this.socket, HEARTBEAT_TIMEOUT_MS);
      return answer.type === 'alive' ? answer.labels : {};
    } catch (error) {
      this.drop();
      throw error;
    }
  }

  stop(): void {
    this.stopped = true;
    this.drop();
  }

  private drop(): void {
    this.socket?.destroy();
  }
}

function connectOne(peer: string, { host, port }: Gateway, credentials: Credentials): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    // A port out of range makes this throw at once; that too is only a gateway that does not answer.
    const socket = tls
      .connect({ host, port, servername: peer, secureContext: credentials.context, rejectUnauthorized: true })
      .setNoDelay(true);
    const fail = (why: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new FabricError({ code: 'unreachable', message: `${host}:${port}: ${why}` }));
    };
    const timer = setTimeout(() => fail(`no answer within ${CALL_TIMEOUT_MS} ms`), CALL_TIMEOUT_MS);
    socket.on('error', (error: Error) => fail(error.message));
    socket.once('close', () => fail('closed'));
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
  });
}
