// Plain HTTPS requests to a tested cluster, for what client libraries hide: codes, bodies, headers, streams.

import { request } from 'node:https';
import type { Connection } from '../kubernetes/real-cluster';

/** What these tests look at in the API's bodies, whichever kind they are of. */
export interface Body {
  readonly kind: string;
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly details: { readonly causes: readonly { readonly field: string; readonly message: string }[] };
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation: number;
    readonly deletionTimestamp?: string;
    readonly finalizers: readonly string[];
    readonly labels: Readonly<Record<string, string>>;
    readonly ownerReferences: readonly object[];
    readonly managedFields: readonly { readonly manager: string; readonly fieldsV1: object }[];
    readonly continue: string;
    readonly remainingItemCount: number;
  };
  readonly spec: {
    readonly clusterIP: string;
    readonly ports: readonly { readonly nodePort: number }[];
    readonly allocateLoadBalancerNodePorts?: boolean;
    readonly selector: { readonly matchLabels: object };
    readonly template: { readonly spec: { readonly containers: readonly object[] } };
    readonly rules: readonly object[];
  };
  readonly status: {
    readonly phase: string;
    readonly allowed: boolean;
    readonly userInfo: { readonly username: string };
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
  readonly data: Readonly<Record<string, string>>;
  readonly items: readonly Body[];
  readonly groups: readonly { readonly name: string }[];
  readonly resources: readonly { readonly name: string }[];
  readonly versions: readonly string[];
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  /** Parsed when it is JSON, else an empty object. */
  readonly body: Body;
  readonly text: string;
}

export interface RawOptions {
  readonly contentType?: string;
  readonly token?: string;
  readonly headers?: Record<string, string>;
}

/** Sends one request; rejects when the connection drops. */
export function call(server: Connection, method: string, path: string, body?: unknown, options: RawOptions = {}): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const content = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${options.token ?? server.token}`,
      'user-agent': 'raw-test/1',
      // Node sends no body with a DELETE unless its length is given.
      ...(content === undefined
        ? {}
        : { 'content-type': options.contentType ?? 'application/json', 'content-length': String(Buffer.byteLength(content)) }),
      ...options.headers,
    };
    const outgoing = request(server.url + path, { method, headers, ca: server.caPem, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => {
        const isJson = String(response.headers['content-type']).startsWith('application/json');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: JSON.parse(isJson ? text : '{}') as Body });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(content);
  });
}

/** Server-side apply. */
export function apply(server: Connection, path: string, body: unknown, manager: string, more = ''): Promise<RawAnswer> {
  return call(server, 'PATCH', `${path}?fieldManager=${manager}${more}`, body, { contentType: 'application/apply-patch+yaml' });
}

interface WatchEvent {
  readonly type: string;
  readonly object: Body;
}

/** An open watch: the events so far, and ways to wait for more and to leave. */
export interface Watching {
  readonly events: WatchEvent[];
  /** Resolves with the first event, past or future, that fits. */
  until(fits: (event: WatchEvent) => boolean): Promise<WatchEvent>;
  readonly ended: Promise<void>;
  stop(): void;
}

/** Opens a watch and resolves once the server has answered. */
export function watch(server: Connection, path: string): Promise<Watching> {
  return new Promise((resolve, reject) => {
    const events: WatchEvent[] = [];
    const waiting = new Set<() => void>();
    const outgoing = request(
      server.url + path,
      { headers: { authorization: `Bearer ${server.token}` }, ca: server.caPem, agent: false },
      (response) => {
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          events.push(...lines.filter((line) => line !== '').map((line) => JSON.parse(line) as WatchEvent));
          for (const check of [...waiting]) check();
        });
        const ended = new Promise<void>((done) => response.once('close', done));
        response.on('error', () => undefined);
        const until = (fits: (event: WatchEvent) => boolean): Promise<WatchEvent> =>
          new Promise((found) => {
            const check = (): void => {
              const event = events.find(fits);
              if (event === undefined) return;
              waiting.delete(check);
              found(event);
            };
            waiting.add(check);
            check();
          });
        resolve({ events, until, ended, stop: () => outgoing.destroy() });
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** Waits for a request to be answered as wanted, without sleeping for a fixed time. */
export async function eventually(attempt: () => Promise<RawAnswer>, fits: (answer: RawAnswer) => boolean): Promise<RawAnswer> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const answer = await attempt();
    if (fits(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('the server never answered as wanted');
}
