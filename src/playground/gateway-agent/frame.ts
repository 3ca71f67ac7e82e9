// The little protocol between simulated gateways: JSON messages, each after its length, and then plain bytes.
import type net from 'node:net';
import { FabricError } from '../../errors/fabric-error';

const MAX_FRAME_BYTES = 64 * 1024;
const LENGTH_BYTES = 4;

/** What a gateway asks of another one. */
export type GatewayRequest =
  | { readonly type: 'heartbeat' }
  | {
      readonly type: 'connect';
      readonly export: { readonly namespace: string; readonly name: string };
      readonly client: Readonly<Record<string, string>>;
    };

/** What it is answered: to a heartbeat the labels; to a connect first whether it is allowed, then that bytes may flow. */
export type GatewayAnswer =
  | { readonly type: 'alive'; readonly labels: Readonly<Record<string, string>> }
  | { readonly type: 'allowed' }
  | { readonly type: 'connected' }
  | { readonly type: 'refused'; readonly why: string };

/** Sends one message. */
export function writeFrame(socket: net.Socket, message: object): void {
  const body = Buffer.from(JSON.stringify(message));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(body.length);
  socket.write(Buffer.concat([length, body]));
}

/** Receives one message and leaves what follows it unread. @throws unreachable when the connection ends or the time is up first */
export function readFrame<T>(socket: net.Socket, timeoutMs?: number): Promise<T> {
  return new Promise((resolve, reject) => {
    let length: number | undefined;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => settle(broken(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const settle = (error: FabricError | undefined, message?: T): void => {
      clearTimeout(timer);
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onError);
      if (error === undefined) resolve(message as T);
      else reject(error);
    };
    const onReadable = (): void => {
      length ??= (socket.read(LENGTH_BYTES) as Buffer | null)?.readUInt32BE(0);
      if (length === undefined) return;
      if (length === 0 || length > MAX_FRAME_BYTES) {
        settle(broken(`a message of ${length} bytes is none of the gateways' own`));
        return;
      }
      const body = socket.read(length) as Buffer | null;
      if (body !== null) settle(undefined, JSON.parse(body.toString('utf8')) as T);
    };
    const onEnd = (): void => settle(broken('the other gateway closed the connection'));
    const onError = (error: Error): void => settle(broken(error.message));
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd).on('error', onError);
    if (socket.destroyed) onEnd();
    else onReadable();
  });
}

function broken(why: string): FabricError {
  return new FabricError({ code: 'unreachable', message: `The connection between gateways broke: ${why}.` });
}
