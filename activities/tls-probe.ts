// Whether something answers TLS at an address, and as whom. A gateway that does is alive: it asks callers without a certificate
// for one (alert "certificate required"), so no credentials are needed to find out.
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { FabricError } from '../src/errors/fabric-error';

/** A gateway on the far side of the world answers well within this. */
const DEFAULT_TIMEOUT_MS = 5_000;

export interface GatewayProbe {
  readonly host: string;
  readonly port: number;
  /** The peer's name: what is asked for by SNI, and what the server's certificate must name. */
  readonly servername: string;
  readonly signal: AbortSignal;
  /** Default 5 s. */
  readonly timeoutMs?: number;
  /** The fabric authority, or several; with it, the server's certificate must be signed by one of them. */
  readonly authorityPem?: string;
}

/**
 * Dials a gateway and returns once it has answered TLS as the peer it should be.
 * @throws FabricError `unreachable` that names host:port and tells apart: no such host, refused, no answer, not TLS, another
 * peer's certificate, another authority's; the signal's reason when it is aborted
 */
export async function probeGatewayTls(probe: GatewayProbe): Promise<void> {
  const { host, port, servername, signal, timeoutMs = DEFAULT_TIMEOUT_MS, authorityPem } = probe;
  signal.throwIfAborted();
  const failure = await new Promise<string | undefined>((resolve) => {
    const socket = connect({
      host: host.replace(/^\[|\]$/g, ''),
      port,
      // SNI takes DNS names only; a peer's name is one.
      ...(isIP(servername) === 0 ? { servername } : {}),
      // Judged below, where the reason can be told; nothing is sent over this connection.
      rejectUnauthorized: false,
    });
    const end = (reason: string | undefined): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(reason);
    };
    const onAbort = (): void => end('was not waited for');
    const timer = setTimeout(() => end(`does not answer TLS within ${timeoutMs / 1_000} s`), timeoutMs);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('secureConnect', () => end(judgeCertificate(socket, servername, authorityPem)));
    // With TLS 1.2 a server that asks for a certificate breaks the handshake off; it has shown its own by then.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(shownCertificate(socket) !== undefined ? judgeCertificate(socket, servername, authorityPem) : explain(error)),
    );
    socket.once('close', () => end('closed the connection without answering TLS'));
  });
  signal.throwIfAborted();
  if (failure === undefined) return;
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  throw new FabricError({
    code: 'unreachable',
    message: `The gateway of ${servername} at ${address} ${failure}.`,
    hint: `Check that ${address} leads to the clusterlink Service of ${servername}, and that firewalls let the worker and the other peers through.`,
  });
}

/** The certificate that the server has shown, DER; there is none before it has, and Node's types do not say so. */
function shownCertificate(socket: TLSSocket): Buffer | undefined {
  const shown = socket.getPeerCertificate() as { readonly raw?: Buffer } | null;
  return shown?.raw;
}

function judgeCertificate(socket: TLSSocket, peer: string, authorityPem: string | undefined): string | undefined {
  const raw = shownCertificate(socket);
  if (raw === undefined) return 'shows no certificate';
  const certificate = new X509Certificate(raw);
  const named = /(?:^|, )DNS:([^,]*)/.exec(certificate.subjectAltName ?? '')?.[1] ?? certificate.subject.replace(/\n/g, ', ');
  if (named !== peer) return `answers as ${named.slice(0, 100)}: it is another gateway, or still has an old certificate`;
  if (authorityPem === undefined) return undefined;
  // While an authority is replaced, the bundle holds the old one and the new one.
  const authorities = (authorityPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem),
  );
  const signed = authorities.some((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
  return signed ? undefined : 'shows a certificate that the authority of this fabric has not signed';
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  ECONNRESET: 'reset the connection instead of answering TLS',
  ENOTFOUND: 'cannot be found: its name does not resolve',
  EAI_AGAIN: 'cannot be found: the name server does not answer',
  ETIMEDOUT: 'does not answer',
  EHOSTUNREACH: 'cannot be reached: no route to it',
  ENETUNREACH: 'cannot be reached: no route to it',
  EPROTO: 'does not speak TLS',
};

function explain(error: NodeJS.ErrnoException): string {
  const code = error.code ?? '';
  if (REASONS[code] !== undefined) return REASONS[code];
  return code.startsWith('ERR_SSL_')
    ? `does not speak TLS as a gateway does (${code})`
    : `cannot be reached (${code === '' ? error.name : code})`;
}
