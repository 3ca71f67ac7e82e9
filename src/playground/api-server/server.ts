// A simulated Kubernetes API server: HTTPS on loopback, bearer tokens, state in memory. Many run in one process.
// It speaks kube-apiserver's protocol closely enough for client libraries and kubectl, and says in its version that it is simulated.

import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { stringify } from 'yaml';
import { generateRsaKeyPem } from '../../pki/key-pair';
import { createServingCertificate } from '../../pki/serving-certificate';
import type { AccessRule } from './access';
import { Cluster } from './cluster';
import type { FaultInjector } from './faults';
import { handleRequest } from './handler';
import type { KubeObject } from './object';
import type { ApiRequest } from './routing';
import type { StoreEvent } from './store';

/** What a simulated cluster is made from. */
export interface ApiServerOptions {
  /** The cluster's name; also its kubeconfig context. */
  readonly name: string;
  /** Rules that make requests fail. Default: none. */
  readonly faults?: FaultInjector;
  /** The time that objects are stamped with. Default: the system's. */
  readonly clock?: () => Date;
  /** Called for every request before anything else happens to it. */
  readonly onRequest?: (request: ApiRequest) => void;
  /** How long a new custom resource definition takes to be established, in milliseconds. Default 25. */
  readonly establishDelayMs?: number;
  /** How many changes a watch can look back on before it is told `410 Expired`. Default 1000. */
  readonly watchWindow?: number;
}

/** Someone who may talk to the server, with the only things that they may do. */
interface LimitedIdentity {
  readonly user: string;
  /** Default `['system:authenticated']`. */
  readonly groups?: readonly string[];
  readonly rules: readonly AccessRule[];
}

/** A running simulated cluster. */
export interface ApiServer {
  readonly name: string;
  /** `https://127.0.0.1:<port>`. */
  readonly url: string;
  /** The certificate to trust. */
  readonly caPem: string;
  /** The token of `admin`, who may do everything. */
  readonly token: string;
  /** The uid of the namespace `kube-system`, which tells clusters apart. */
  readonly clusterUid: string;
  /** Admits a further identity and returns its token. */
  addToken(identity: LimitedIdentity): string;
  /** Lets a token expire: whoever shows it is answered 401 from now on. */
  expireToken(token: string): void;
  /** Every object as it is stored, without asking over the network. Shared: not to be changed. */
  objects(): readonly KubeObject[];
  /** Calls back at every write, before its answer is sent, until the returned function is called. */
  onWrite(listener: (event: StoreEvent) => void): () => void;
  /** How many requests came so far. */
  requests(): number;
  /** Ends every watch and connection, and forgets everything. */
  close(): Promise<void>;
}

// Clusters differ in their certificates; the key behind them takes long to make, so the process has one.
let servingKey: Promise<string> | undefined;

/** Starts a simulated cluster with the namespaces and objects of a fresh one. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const key = await (servingKey ??= generateRsaKeyPem(2048));
  const caPem = await createServingCertificate({ name: options.name, dnsNames: ['localhost'], ips: ['127.0.0.1'], keyPem: key });
  const cluster = new Cluster(options);
  let requests = 0;
  const server = createServer({ cert: caPem, key }, (request, response) => {
    requests += 1;
    void handleRequest(cluster, request, response);
  });
  // Watches may be silent for long, and clients keep connections alive between requests.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 60_000;
  const sockets = trackSockets(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    name: options.name,
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caPem,
    token: cluster.identities.adminToken,
    clusterUid: cluster.uid,
    addToken: (identity) => cluster.identities.add(identity),
    expireToken: (token) => cluster.identities.remove(token),
    objects: () => [...cluster.store.all()].map(([, object]) => object),
    onWrite: (listener) => cluster.store.subscribe(listener),
    requests: () => requests,
    close: async () => {
      cluster.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Writes one kubeconfig (mode 0600) with a context for each server, named as the server; the first is the current one. */
export async function writeKubeconfig(
  path: string,
  servers: readonly Pick<ApiServer, 'name' | 'url' | 'caPem' | 'token'>[],
): Promise<void> {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': servers[0]?.name ?? '',
    clusters: servers.map(({ name, url, caPem }) => ({
      name,
      cluster: { server: url, 'certificate-authority-data': Buffer.from(caPem).toString('base64') },
    })),
    users: servers.map(({ name, token }) => ({ name, user: { token } })),
    contexts: servers.map(({ name }) => ({ name, context: { cluster: name, user: name } })),
  };
  await writeFile(path, stringify(config), { mode: 0o600 });
}

function trackSockets(server: Server): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
}
