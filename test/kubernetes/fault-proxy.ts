// Stands before a real API server and makes chosen requests fail, with the rules and in the ways of the simulated one.
import { Agent, createServer, request as send, type RequestOptions } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { generateRsaKeyPem } from '../../src/pki/key-pair';
import { createServingCertificate } from '../../src/pki/serving-certificate';
import type { FaultInjector } from '../../src/playground/api-server/faults';
import { describeRequest, meetFault } from '../../src/playground/api-server/handler';
import { failure, readBody, send as answerWith, tryDecode, type Answer } from '../../src/playground/api-server/http';
import { isObject } from '../../src/playground/api-server/object';
import type { TestApiServer } from './real-cluster';

let servingKey: Promise<string> | undefined;

/** The same API server behind a proxy that this injector rules; closing it closes both. */
export async function withFaults(target: TestApiServer, faults: FaultInjector): Promise<TestApiServer> {
  const key = await (servingKey ??= generateRsaKeyPem(2048));
  const caPem = await createServingCertificate({ name: target.name, dnsNames: ['localhost'], ips: ['127.0.0.1'], keyPem: key });
  const agent = new Agent({ keepAlive: true, ca: target.caPem });
  const upstream = (request: IncomingMessage, text: string): Promise<IncomingMessage> => forward(target.url, agent, request, text);
  const server = createServer({ cert: caPem, key }, (request, response) => {
    void handle(request, response, target.name, faults, upstream);
  });
  server.requestTimeout = 0;
  server.keepAliveTimeout = 60_000;
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    ...target,
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caPem,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      await closed;
      await target.close();
    },
  };
}

type Upstream = (request: IncomingMessage, text: string) => Promise<IncomingMessage>;

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  name: string,
  faults: FaultInjector,
  upstream: Upstream,
): Promise<void> {
  try {
    const text = await readBody(request);
    const info = describeRequest(name, request, new URL(request.url ?? '/', 'https://cluster'), text);
    const rule = faults.take(info);
    const passOn = async (): Promise<void> => stream(await upstream(request, text), response);
    if (rule === undefined) {
      await passOn();
      return;
    }
    // A watch has no end to wait for.
    await meetFault(
      { response, info },
      rule,
      info.verb === 'watch' ? () => passOn().then(() => undefined) : async () => wholeAnswer(await upstream(request, text)),
    );
  } catch (error) {
    if (!response.headersSent && !response.destroyed) answerWith(response, failure(error));
  }
}

function stream(answer: IncomingMessage, response: ServerResponse): void {
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  // A watch tells at once that it stands, whenever its first event comes.
  response.flushHeaders();
  answer.pipe(response);
  answer.once('error', () => response.destroy());
  response.once('close', () => answer.destroy());
}

function forward(url: string, agent: Agent, request: IncomingMessage, text: string): Promise<IncomingMessage> {
  const { host: _host, connection: _connection, 'transfer-encoding': _encoding, ...headers } = request.headers;
  const options: RequestOptions = {
    method: request.method ?? 'GET',
    headers: { ...headers, 'content-length': Buffer.byteLength(text) },
    agent,
  };
  return new Promise((resolve, reject) => {
    const outgoing = send(url + (request.url ?? '/'), options, resolve);
    outgoing.once('error', reject);
    outgoing.end(text);
  });
}

async function wholeAnswer(answer: IncomingMessage): Promise<Answer> {
  const text = await readBody(answer);
  const decoded = tryDecode(text);
  return { code: answer.statusCode ?? 502, body: isObject(decoded) ? decoded : text };
}
