// Opens a plain TCP or TLS connection to a Temporal server for the sake of its error, which names the cause.
import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { TLSConfig } from '@temporalio/client';
import { FabricError } from '../errors/fabric-error';
import { errorText } from './command';

const DEFAULT_PORT = 7233;

/**
 * Resolves when the address accepts a connection and, where TLS is asked for, its certificate fits.
 *
 * @throws `invalid` for an address that is not `host:port`; `unreachable` otherwise.
 */
export async function probeServer(address: string, tls: TLSConfig | boolean | null | undefined, timeoutMs: number): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  const socket = openSocket(address, tls);
  try {
    await once(socket, 'connect', { signal }).catch((error: unknown) => {
      throw unreachable('the Temporal server', address, error, 'Start one with `skyfabric dev`, or name another with --address.');
    });
    if (!tls) return;
    await once(socket, 'secureConnect', { signal }).catch((error: unknown) => {
      throw unreachable('TLS with the Temporal server', address, error, 'Check the TLS settings of the Temporal profile.');
    });
  } finally {
    socket.destroy();
  }
}

function openSocket(address: string, tls: TLSConfig | boolean | null | undefined): Socket | TLSSocket {
  const { host, port } = parseAddress(address);
  if (!tls) return connectTcp({ host, port });
  const { serverNameOverride, serverRootCACertificate: ca, clientCertPair } = tls === true ? ({} as TLSConfig) : tls;
  const servername = serverNameOverride ?? (isIP(host) === 0 ? host : undefined);
  return connectTls({
    host,
    port,
    ALPNProtocols: ['h2'],
    ...(servername ? { servername } : {}),
    ...(ca ? { ca: Buffer.from(ca) } : {}),
    ...(clientCertPair ? { cert: Buffer.from(clientCertPair.crt), key: Buffer.from(clientCertPair.key) } : {}),
  });
}

function parseAddress(address: string): { host: string; port: number } {
  // `tcp:` has no default port for URL to hide.
  const url = URL.canParse(`tcp://${address}`) ? new URL(`tcp://${address}`) : undefined;
  if (url === undefined || url.hostname === '' || url.host.length !== address.length) {
    throw new FabricError({
      code: 'invalid',
      message: `\`${address}\` is not the address of a Temporal server`,
      hint: 'Give it as HOST:PORT.',
    });
  }
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || DEFAULT_PORT) };
}

function unreachable(what: string, address: string, cause: unknown, hint: string): FabricError {
  const timedOut = cause instanceof Error && cause.name === 'AbortError';
  return new FabricError({
    code: 'unreachable',
    message: `${what} at ${address} failed: ${timedOut ? 'no answer in time' : errorText(cause)}`,
    hint,
    cause,
  });
}
