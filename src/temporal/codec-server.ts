// A codec server, as Temporal's UI and command line ask one to make encrypted payloads readable: `POST /decode` and `POST /encode`, both
// with `{"payloads": [{"metadata": {…}, "data": "…"}]}`, bytes in base64 (protobuf's JSON). Whoever may ask it can read everything that the
// keys open, so it listens on loopback unless told otherwise, answers browsers of known origins only, and can want a bearer token.
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Payload } from '@temporalio/common';
import { z } from 'zod';
import { FabricError, isFabricError } from '../errors/fabric-error';
import { isRecord } from '../model/problems';
import { errorText } from './command';
import type { CodecKeys } from './codec-keys';
import { EncryptionCodec } from './payload-codec';

export interface CodecServerOptions {
  readonly keys: CodecKeys;
  /** 0: a free one. */
  readonly port: number;
  /** Default: `127.0.0.1`. */
  readonly host?: string;
  /** Whose pages may ask, as `http://localhost:8233`. Others are refused, also when they do not ask for leave (CORS) first. */
  readonly origins: readonly string[];
  /** What `Authorization: Bearer` must hold. Default: anyone may ask. */
  readonly token?: string | undefined;
}

export interface CodecServer {
  /** `http://host:port`. */
  readonly url: string;
  close(): Promise<void>;
}

/** A page of Temporal's UI: messages of 4 MiB, in base64, with room. */
const MOST_BYTES = 8 * 1024 * 1024;
/** Many small ones in a small body take seconds and gigabytes, in which nobody else is answered. */
const MOST_PAYLOADS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const MOST_CONNECTIONS = 64;
/** What the UI sends along; browsers ask whether it may. */
const ALLOWED_HEADERS = 'content-type, authorization, x-namespace, authorization-extras';

const base64 = z.string().regex(/^[A-Za-z0-9+/_-]*={0,2}$/);
const payloadList = z.object({
  payloads: z.array(z.object({ metadata: z.record(z.string(), base64).optional(), data: base64.optional() })),
});

/** An answer that is no success. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** Starts the server. @throws FabricError `conflict` when the port is taken, `invalid` for an address that is not ours */
export async function startCodecServer(options: CodecServerOptions): Promise<CodecServer> {
  const { host = '127.0.0.1', port } = options;
  const codec = new EncryptionCodec(options.keys);
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    void answer(request, response, codec, options);
  });
  server.maxConnections = MOST_CONNECTIONS;
  try {
    await once(server.listen(port, host), 'listening');
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new FabricError({
      code: taken ? 'conflict' : 'invalid',
      message: `the codec server cannot listen on ${host}:${port}: ${taken ? 'it is taken' : errorText(error)}`,
      hint: taken ? 'Choose another port with --port.' : 'Choose another address with --host or --port.',
      cause: error,
    });
  }
  const address = server.address() as AddressInfo;
  return {
    url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  codec: EncryptionCodec,
  options: CodecServerOptions,
): Promise<void> {
  response.setHeader('cache-control', 'no-store');
  response.setHeader('vary', 'origin');
  try {
    admitOrigin(request, response, options.origins);
    const path = (request.url ?? '').split('?')[0];
    if (path !== '/decode' && path !== '/encode') throw new Refusal(404, 'not_found', 'there are /decode and /encode only');
    if (request.method === 'OPTIONS') {
      grantPreflight(request, response);
      return;
    }
    if (request.method !== 'POST') throw new Refusal(405, 'invalid', 'only POST is answered');
    admitToken(request, options.token);
    // A page may send other kinds without asking for leave first.
    if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
      throw new Refusal(415, 'invalid', 'the body must be application/json');
    }
    const payloads = readPayloads(await readBody(request));
    const done = await (path === '/decode' ? codec.decode(payloads) : codec.encode(payloads));
    send(response, 200, { payloads: done.map(toJson) });
  } catch (error) {
    refuse(request, response, error);
  }
}

/** Requests without an origin are not from a page: `temporal` and curl. */
function admitOrigin({ headers: { origin } }: IncomingMessage, response: ServerResponse, origins: readonly string[]): void {
  if (origin === undefined) return;
  if (!origins.includes(origin)) throw new Refusal(403, 'forbidden', 'pages of this origin may not ask', 'Name the origin with --origin.');
  response.setHeader('access-control-allow-origin', origin);
}

function grantPreflight({ headers }: IncomingMessage, response: ServerResponse): void {
  response.setHeader('access-control-allow-methods', 'POST');
  response.setHeader('access-control-allow-headers', ALLOWED_HEADERS);
  // A page of a public address (Temporal Cloud's UI) asks for leave to reach loopback.
  if (headers['access-control-request-private-network'] === 'true') response.setHeader('access-control-allow-private-network', 'true');
  response.writeHead(204).end();
}

function admitToken({ headers: { authorization = '' } }: IncomingMessage, token: string | undefined): void {
  if (token === undefined) return;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  if (timingSafeEqual(digest(authorization), digest(`Bearer ${token}`))) return;
  throw new Refusal(401, 'forbidden', 'the bearer token is missing or wrong');
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MOST_BYTES) throw new Refusal(413, 'invalid', `the body is larger than ${MOST_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function readPayloads(text: string): Payload[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Refusal(400, 'invalid', 'the body is not JSON');
  }
  const given = isRecord(json) ? json['payloads'] : undefined;
  if (Array.isArray(given) && given.length > MOST_PAYLOADS) {
    throw new Refusal(413, 'invalid', `there are more than ${MOST_PAYLOADS} payloads`, 'Ask in several requests.');
  }
  const parsed = payloadList.safeParse(json);
  if (!parsed.success) throw new Refusal(400, 'invalid', 'the body is not {"payloads": [{"metadata": {…}, "data": BASE64}]}');
  return parsed.data.payloads.map(({ metadata = {}, data = '' }) => ({
    metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')])),
    data: Buffer.from(data, 'base64'),
  }));
}

function toJson({ metadata, data }: Payload): object {
  return {
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')])),
    data: Buffer.from(data ?? []).toString('base64'),
  };
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  // What is still on its way is not waited for.
  if (!request.complete) response.setHeader('connection', 'close');
  if (error instanceof Refusal) send(response, error.status, { code: error.code, message: error.message, hint: error.hint });
  else if (isFabricError(error)) send(response, 400, { code: error.code, message: error.message, hint: error.hint });
  else send(response, 500, { code: 'internal', message: 'the codec server failed' });
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json' }).end(text);
}
