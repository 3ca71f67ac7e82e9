// An HTTPS server that answers as a test scripts it, and counts its connections: for faults below the Kubernetes API.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cluster } from '../../src/kubernetes/cluster';
import { ClusterPool } from '../../src/kubernetes/cluster-pool';
import { generateRsaKeyPem } from '../../src/pki/key-pair';
import { createServingCertificate } from '../../src/pki/serving-certificate';

export interface ScriptedServer {
  readonly port: number;
  readonly pool: ClusterPool;
  readonly directory: string;
  /** Connections accepted so far. */
  readonly connections: () => number;
  /** Requests so far, as `METHOD path`. */
  readonly requests: readonly string[];
  /** Closes the connections that no request uses. */
  dropIdle(): void;
  /** A kubeconfig with context `scripted`; members of `cluster` and `user` override the working ones. */
  kubeconfig(overrides?: { cluster?: object; user?: object }): string;
  client(overrides?: { cluster?: object; user?: object }): Cluster;
  /** A client that waits 0.3 s for an answer. */
  impatientClient(overrides?: { cluster?: object; user?: object }): Cluster;
  close(): Promise<void>;
}

/** Made once for each test file: keys are slow to make. */
let servingKey: Promise<string> | undefined;

/** Starts a server; a handler that is to change meanwhile delegates to a variable. */
export async function startScriptedServer(handler: RequestListener): Promise<ScriptedServer> {
  const directory = mkdtempSync(join(tmpdir(), 'skyfabric-scripted-'));
  const keyPem = await (servingKey ??= generateRsaKeyPem(2048));
  const certificatePem = await createServingCertificate({ name: 'scripted', dnsNames: ['localhost'], ips: ['127.0.0.1'], keyPem });
  writeFileSync(join(directory, 'cert.pem'), certificatePem);
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = https.createServer({ key: keyPem, cert: certificatePem }, (request: IncomingMessage, response: ServerResponse) => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    handler(request, response);
  });
  server.on('secureConnection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const pool = new ClusterPool({ allowExec: ['all'] });
  const impatientPool = new ClusterPool({ allowExec: ['all'], requestTimeoutMs: 300 });
  let files = 0;
  const kubeconfig = ({ cluster = {}, user = {} }: { cluster?: object; user?: object } = {}): string => {
    files += 1;
    const path = join(directory, `config-${files}`);
    const config = {
      clusters: [{ name: 'scripted', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': 'cert.pem', ...cluster } }],
      users: [{ name: 'tester', user: { token: 'secret-token', ...user } }],
      contexts: [{ name: 'scripted', context: { cluster: 'scripted', user: 'tester' } }],
      'current-context': 'scripted',
    };
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  };
  return {
    port,
    pool,
    directory,
    connections: () => connections,
    requests,
    dropIdle: () => server.closeIdleConnections(),
    kubeconfig,
    client: (overrides) => pool.cluster({ context: 'scripted', kubeconfig: kubeconfig(overrides) }),
    impatientClient: (overrides) => impatientPool.cluster({ context: 'scripted', kubeconfig: kubeconfig(overrides) }),
    close: async () => {
      await Promise.all([pool.close(), impatientPool.close()]);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Answers with JSON. */
export function answer(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** A Kubernetes Status body. */
export function statusBody(code: number, reason: string, message: string, details: object = {}): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message, details };
}
