// HTTPS to one API server. Credentials, certificates and proxies are client-node's (KubeConfig.applyToHTTPSOptions); the requests
// are node:https, because client-node makes a new agent, and so a new TLS connection, for every request, and its generated
// clients can be neither aborted nor bounded. Here one keep-alive agent lives as long as its TLS settings.
import { createHash } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { FabricError, isFabricError } from '../errors/fabric-error';
import { CredentialReader, providerOf, requireCredentialFiles } from './credentials';
import { Deadline, untilAborted } from './deadline';
import type { Subject } from './kubernetes-errors';
import { connectionError, credentialError, describeSubject, refusalError, timeoutError } from './kubernetes-errors';
import { mayWrite } from './write-guard';

const MAX_RESPONSE_BYTES = 32 * 1024 * 1024;
/** How long credentials are used before client-node is asked again; it refreshes tokens and rereads files. */
const CREDENTIALS_TTL_MS = 30_000;
/** Longer than a request may take, for plugins that ask a person: the next request finds what such a plugin brought meanwhile. */
const CREDENTIALS_TIMEOUT_MS = 30_000;

export interface TransportOptions {
  readonly userAgent: string;
  /** How long a request may take in all, unless it says otherwise. */
  readonly requestTimeoutMs: number;
  /** How long the kubeconfig's credential plugin may take before it is ended and, at the next request, run anew; default 30 s. */
  readonly credentialsTimeoutMs?: number | undefined;
}

/** One request to the API server, and what it is about (for messages). */
export interface TransportRequest {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  readonly about: Subject;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

interface Credentials {
  readonly agent: http.Agent;
  readonly headers: http.OutgoingHttpHeaders;
  /** `user:password`, for the few clusters that still have them. */
  readonly auth: string | undefined;
  /** Fingerprint of the agent's TLS settings. */
  readonly tls: string;
}

/** What a client of a cluster needs of a transport. */
export type Connection = Pick<Transport, 'server' | 'send' | 'stream' | 'retire' | 'close'>;

/** The connections to one API server. */
export class Transport {
  private readonly url: URL;
  /** `host:port` of the API server. */
  readonly server: string;
  /** Of now or being fetched; parallel requests wait for the same ones. */
  private credentials: Promise<Credentials> | undefined;
  private credentialsExpireAt = 0;
  private readonly reader = new CredentialReader();
  /** The last ones fetched, whose agent goes on being used while its TLS settings stay the same. */
  private latest: Credentials | undefined;

  /**
   * Takes a KubeConfig whose current context has a cluster and a user.
   * @throws invalid when the cluster's address is no URL, or plain http that the kubeconfig does not allow
   */
  constructor(
    private readonly config: KubeConfig,
    private readonly options: TransportOptions,
  ) {
    const cluster = config.getCurrentCluster();
    const server = cluster?.server ?? '';
    if (!/^https?:/.test(server) || !URL.canParse(server)) {
      throw new FabricError({
        code: 'invalid',
        message: `Context ${config.getCurrentContext()} has no http(s) address of its API server in the kubeconfig.`,
      });
    }
    if (server.startsWith('http:') && cluster?.skipTLSVerify !== true) {
      throw new FabricError({
        code: 'invalid',
        message: `Context ${config.getCurrentContext()} reaches its API server ${new URL(server).host} by plain http, which shows credentials to the network.`,
        hint: 'Use an https address in the kubeconfig, or allow this one with `insecure-skip-tls-verify: true`.',
      });
    }
    this.url = new URL(server);
    this.server = `${this.url.hostname}:${this.port}`;
    config.addAuthenticator(this.reader);
  }

  /** Sends a request and returns the answer's text. @throws as refusalError, connectionError and credentialError say, and what the guard of its signal does */
  async send(request: TransportRequest): Promise<{ readonly status: number; readonly text: string }> {
    // Not in the time that the API server is given.
    if (request.method !== 'GET') await mayWrite(request.signal);
    const deadline = new Deadline(request.timeoutMs ?? this.options.requestTimeoutMs, request.signal);
    try {
      const response = await this.open(request, deadline);
      return { status: response.statusCode ?? 0, text: await this.readText(response, request.about) };
    } catch (error) {
      throw this.translate(error, deadline);
    } finally {
      deadline.clear();
    }
  }

  /** Sends a request and yields the lines of its answer as they come. @throws as `send` does */
  async *stream(request: TransportRequest): AsyncGenerator<string, void> {
    const deadline = new Deadline(request.timeoutMs ?? this.options.requestTimeoutMs, request.signal);
    try {
      const response = await this.open(request, deadline);
      response.setEncoding('utf8');
      let begun: string[] = [];
      let length = 0;
      for await (const chunk of response as AsyncIterable<string>) {
        const [first = '', ...others] = chunk.split('\n');
        begun.push(first);
        length += first.length;
        if (length > MAX_RESPONSE_BYTES) throw this.tooLarge(request.about);
        const last = others.pop();
        if (last === undefined) continue;
        for (const line of [begun.join(''), ...others]) if (line !== '') yield line;
        begun = [last];
        length = last.length;
      }
    } catch (error) {
      throw this.translate(error, deadline);
    } finally {
      deadline.clear();
      // A reader that stops early leaves an open answer behind: its connection is closed.
      deadline.stop();
    }
  }

  /** Lets running requests end, and keeps no connection afterwards. */
  retire(): void {
    if (this.latest !== undefined) retireAgent(this.latest.agent);
  }

  /** Closes every connection; running requests fail. */
  close(): void {
    this.reader.stop();
    this.latest?.agent.destroy();
  }

  /** The API server, and through what it is reached: it may be the proxy that fails. */
  private get way(): string {
    const proxy = this.config.getCurrentCluster()?.proxyUrl;
    if (proxy === undefined || !URL.canParse(proxy)) return this.server;
    return `${this.server}, asked through the proxy ${new URL(proxy).host},`;
  }

  private get port(): number {
    if (this.url.port !== '') return Number(this.url.port);
    return this.url.protocol === 'http:' ? 80 : 443;
  }

  /** Resolves with a good answer whose body is still to be read. */
  private async open(request: TransportRequest, deadline: Deadline): Promise<http.IncomingMessage> {
    const { signal } = deadline;
    let isRenewed = false;
    for (;;) {
      const cached = this.latest;
      const credentials = await this.credentialsWithin(deadline);
      // Credentials may have taken their time.
      if (request.method !== 'GET') await untilAborted(mayWrite(request.signal), signal);
      const sent = this.dispatch(request, credentials, signal);
      let response: http.IncomingMessage;
      try {
        response = await sent.response;
      } catch (error) {
        // The server closed an idle connection just as it was taken up again, and there may be more of them: a new one comes last.
        // Only a read is certain to have had no effect.
        if (sent.request.reusedSocket && request.method === 'GET' && !signal.aborted) continue;
        throw error;
      }
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return response;
      if (status === 401 && !isRenewed && credentials === cached) {
        isRenewed = true;
        // The token may have been replaced since it was fetched.
        response.resume();
        this.reader.forget();
        this.credentialsExpireAt = 0;
        continue;
      }
      const text = await this.readText(response, request.about);
      const { 'retry-after': retryAfter, 'content-type': contentType } = response.headers;
      throw refusalError({ ...request, server: this.server, httpStatus: status, text, retryAfter, contentType });
    }
  }

  /** A request whose time goes by before it has credentials was never sent: no server is to blame. */
  private async credentialsWithin({ signal, timeoutMs }: Deadline): Promise<Credentials> {
    try {
      return await untilAborted(this.currentCredentials(), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw credentialError(this.config.getCurrentContext(), providerOf(this.config.getCurrentUser()), error, timeoutMs);
    }
  }

  private dispatch(
    { method, path, query = {}, body, contentType = 'application/json' }: TransportRequest,
    { agent, headers, auth }: Credentials,
    signal: AbortSignal,
  ): { readonly request: http.ClientRequest; readonly response: Promise<http.IncomingMessage> } {
    const parameters = new URLSearchParams(
      Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ).toString();
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const request = (this.url.protocol === 'http:' ? http : https).request({
      host: this.url.hostname.replace(/^\[|\]$/g, ''),
      port: this.port,
      method,
      path: this.url.pathname.replace(/\/$/, '') + path + (parameters === '' ? '' : `?${parameters}`),
      agent,
      ...(auth === undefined ? {} : { auth }),
      headers: {
        ...headers,
        accept: 'application/json',
        'user-agent': this.options.userAgent,
        ...(payload === undefined ? {} : { 'content-type': contentType, 'content-length': payload.length }),
      },
    });
    const response = new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      // Stays for the request's whole life: an error after the answer began shows in the answer's stream.
      request.on('error', reject);
      // Node tells nobody of an answer that asks for another protocol, and of a connection that ends in some other odd ways only this.
      request.once('upgrade', (_response, socket) => {
        socket.destroy();
        reject(new Error('it answered in another protocol'));
      });
      request.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    });
    const onAbort = (): unknown => request.destroy(new Error('aborted'));
    signal.addEventListener('abort', onAbort, { once: true });
    request.once('close', () => signal.removeEventListener('abort', onAbort));
    request.end(payload);
    return { request, response };
  }

  private currentCredentials(): Promise<Credentials> {
    if (this.credentials !== undefined && Date.now() < this.credentialsExpireAt) return this.credentials;
    const loading = this.loadCredentials();
    this.credentials = loading;
    this.credentialsExpireAt = Infinity;
    loading.then(
      (credentials) => {
        this.latest = credentials;
        this.credentialsExpireAt = Date.now() + CREDENTIALS_TTL_MS;
      },
      () => (this.credentials = undefined),
    );
    return loading;
  }

  private async loadCredentials(): Promise<Credentials> {
    const options: https.RequestOptions = {};
    const deadline = new Deadline(this.options.credentialsTimeoutMs ?? CREDENTIALS_TIMEOUT_MS, undefined);
    const user = this.config.getCurrentUser();
    try {
      requireCredentialFiles(this.config.getCurrentCluster(), user);
      await untilAborted(this.config.applyToHTTPSOptions(options), deadline.signal);
    } catch (error) {
      const timedOutMs = deadline.signal.aborted ? deadline.timeoutMs : undefined;
      throw credentialError(this.config.getCurrentContext(), providerOf(user), error, timedOutMs);
    } finally {
      deadline.clear();
      this.reader.stop();
    }
    const { ca, cert, key, servername, rejectUnauthorized } = options;
    const tls = createHash('sha256').update([ca, cert, key, servername, rejectUnauthorized].map(String).join('\n')).digest('hex');
    const before = this.latest;
    let agent = before?.agent;
    if (agent === undefined || before?.tls !== tls) {
      if (agent !== undefined) retireAgent(agent);
      // client-node chose the kind of agent (proxy or none) and its TLS settings; it only lacks keep-alive.
      agent = Object.assign(options.agent as http.Agent, { keepAlive: true });
    }
    return { agent, headers: { ...(options.headers as http.OutgoingHttpHeaders | undefined) }, auth: options.auth ?? undefined, tls };
  }

  private async readText(response: http.IncomingMessage, about: Subject): Promise<string> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_RESPONSE_BYTES) throw this.tooLarge(about);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  private tooLarge(about: Subject): FabricError {
    return new FabricError({
      code: 'invalid',
      message: `${this.server} answered more than ${MAX_RESPONSE_BYTES / 1024 / 1024} MiB for ${describeSubject(about)}.`,
    });
  }

  /** What the caller is told: its own abort reason, the timeout, the server's refusal, or what broke the connection. */
  private translate(error: unknown, deadline: Deadline): unknown {
    if (deadline.callerSignal?.aborted === true) return deadline.callerSignal.reason;
    if (isFabricError(error)) return error;
    return deadline.signal.aborted ? timeoutError(this.way, deadline.timeoutMs) : connectionError(this.way, error);
  }
}

/** Makes an agent close each connection as soon as nothing uses it. */
function retireAgent(agent: http.Agent): void {
  Object.assign(agent, { keepAlive: false });
  for (const sockets of Object.values(agent.freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}
