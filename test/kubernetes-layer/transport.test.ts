import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import http from 'node:http';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { isFabricError } from '../../src/errors/fabric-error';
import type { ObjectRef } from '../../src/kubernetes/kube-object';
import { Cluster } from '../../src/kubernetes/cluster';
import { loadContext } from '../../src/kubernetes/kubeconfig';
import { Transport } from '../../src/kubernetes/transport';
import { guardWrites } from '../../src/kubernetes/write-guard';
import { DeadAddress } from '../support/dead-address';
import type { ScriptedServer } from './scripted-server';
import { answer, startScriptedServer, statusBody } from './scripted-server';

const REF: ObjectRef = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'shop', name: 'prices' };
const OBJECT = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'prices', namespace: 'shop', resourceVersion: '7' } };

let handle: http.RequestListener;
let server: ScriptedServer;

beforeEach(async () => {
  handle = (_request, response) => answer(response, 200, OBJECT);
  server = await startScriptedServer((request, response) => handle(request, response));
});
afterEach(() => server.close());

test('a hundred requests one after the other share one connection', async () => {
  const cluster = server.client();
  for (let count = 0; count < 100; count += 1) await cluster.get(REF);
  expect(server.requests).toHaveLength(100);
  expect(server.connections()).toBe(1);
});

test('parallel requests use as many connections as run at a time, and later ones reuse them', async () => {
  const cluster = server.client();
  const round = (): Promise<unknown> => Promise.all(Array.from({ length: 8 }, () => cluster.get(REF)));
  await round();
  const used = server.connections();
  await round();
  expect(used).toBeLessThanOrEqual(8);
  expect(server.connections()).toBe(used);
});

test('a client is cached for its context until the kubeconfig file changes', () => {
  const kubeconfig = server.kubeconfig();
  const ref = { context: 'scripted', kubeconfig };
  const first = server.pool.cluster(ref);
  expect(server.pool.cluster(ref)).toBe(first);
  writeFileSync(kubeconfig, JSON.stringify({ ...JSON.parse(readText(kubeconfig)), extra: true }));
  expect(server.pool.cluster(ref)).not.toBe(first);
});

test('a read on an idle connection that the server closed just then is sent again, until one is open', async () => {
  const cluster = server.client();
  await Promise.all([cluster.get(REF), cluster.get(REF), cluster.get(REF)]);
  const idle = server.connections();
  expect(idle).toBe(3);
  let dropped = 0;
  handle = (request, response) => {
    dropped += 1;
    if (dropped <= idle) request.socket.destroy();
    else answer(response, 200, OBJECT);
  };
  await expect(cluster.get(REF)).resolves.toMatchObject(OBJECT);
  expect(server.connections()).toBe(idle + 1);
});

test('a write whose connection breaks is not sent again', async () => {
  const cluster = server.client();
  await cluster.get(REF);
  handle = (request) => request.socket.destroy();
  await expect(cluster.create(OBJECT)).rejects.toMatchObject({
    code: 'unreachable',
    message: `127.0.0.1:${server.port} reset the connection.`,
  });
  expect(server.requests.filter((line) => line.startsWith('POST'))).toHaveLength(1);
});

test('a request that hangs fails as unreachable after the request timeout', async () => {
  handle = () => undefined;
  await expect(server.impatientClient().get(REF)).rejects.toMatchObject({
    code: 'unreachable',
    message: `127.0.0.1:${server.port} did not answer within 0.3 s.`,
  });
});

test('an answer that stops half-way fails after the request timeout', async () => {
  handle = (_request, response) => void response.writeHead(200).write('{"half":');
  await expect(server.impatientClient().get(REF)).rejects.toMatchObject({ code: 'unreachable' });
});

test('an aborted request throws the reason of the abort, at once', async () => {
  const controller = new AbortController();
  const reason = new Error('cancelled by the operator');
  handle = () => controller.abort(reason);
  await expect(server.client().get(REF, controller.signal)).rejects.toBe(reason);
  await expect(server.client().get(REF, controller.signal)).rejects.toBe(reason);
});

test('many parallel requests may share one signal', async () => {
  const warnings: Error[] = [];
  const listen = (warning: Error): number => warnings.push(warning);
  process.on('warning', listen);
  const { signal } = new AbortController();
  const cluster = server.client();
  await Promise.all(Array.from({ length: 30 }, () => cluster.get(REF, signal)));
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listen);
  expect(warnings).toEqual([]);
});

test('an answer larger than 32 MiB is refused', async () => {
  handle = (_request, response) => {
    const block = Buffer.alloc(1024 * 1024, 'x');
    const more = (left: number): void => {
      if (left === 0) response.end();
      else response.write(block, () => more(left - 1));
    };
    response.on('error', () => undefined);
    more(40);
  };
  await expect(server.client().get(REF)).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining('more than 32 MiB') as unknown,
  });
});

test('a server that does not listen is unreachable, by host and port', async () => {
  const port = await freePort();
  const cluster = server.client({ cluster: { server: `https://127.0.0.1:${port}` } });
  await expect(cluster.get(REF)).rejects.toMatchObject({ code: 'unreachable', message: `127.0.0.1:${port} refused the connection.` });
});

test('a host that DNS does not know is unreachable', async () => {
  const cluster = server.client({ cluster: { server: 'https://no-such-host.invalid:6443' } });
  await expect(cluster.get(REF)).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringMatching(/^no-such-host\.invalid:6443 (is not known to DNS|could not be looked up)/) as unknown,
  });
});

test('a certificate that the kubeconfig does not trust is told apart from other failures', async () => {
  const cluster = server.client({ cluster: { 'certificate-authority': undefined } });
  await expect(cluster.get(REF)).rejects.toMatchObject({
    code: 'unreachable',
    message: `127.0.0.1:${server.port} shows a certificate that the kubeconfig does not trust.`,
    hint: expect.stringContaining('certificate-authority') as unknown,
  });
});

test('tls-server-name and insecure-skip-tls-verify of the kubeconfig are heeded', async () => {
  await expect(server.client({ cluster: { 'tls-server-name': 'elsewhere.example' } }).get(REF)).rejects.toMatchObject({
    message: `127.0.0.1:${server.port} shows a certificate for another name.`,
  });
  await expect(
    server.client({ cluster: { 'certificate-authority': undefined, 'insecure-skip-tls-verify': true } }).get(REF),
  ).resolves.toMatchObject(OBJECT);
});

test('requests go through the proxy of the kubeconfig, over one kept connection', async () => {
  const tunnels: string[] = [];
  const proxy = http.createServer().on('connect', (request: http.IncomingMessage, socket: net.Socket) => {
    tunnels.push(request.url ?? '');
    const [host, port] = (request.url ?? '').split(':');
    const upstream = net.connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    const cluster = server.client({ cluster: { 'proxy-url': `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` } });
    await cluster.get(REF);
    await cluster.get(REF);
    expect(tunnels).toEqual([`127.0.0.1:${server.port}`]);
  } finally {
    await server.pool.close();
    await new Promise((resolve) => proxy.close(resolve));
  }
});

test('a proxy that is gone is named beside the API server', async () => {
  const proxy = await DeadAddress.listen();
  try {
    const cluster = server.client({ cluster: { 'proxy-url': `http://user:secret@${proxy.address}` } });
    const error = await cluster.get(REF).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(`127.0.0.1:${server.port}, asked through the proxy ${proxy.address}, `) as unknown,
    });
    expect(printed(error)).not.toContain('secret');
  } finally {
    proxy.close();
  }
});

test('plain http is refused, because the token would be readable', () => {
  expect(() => server.client({ cluster: { server: `http://127.0.0.1:${server.port}` } })).toThrow(
    expect.objectContaining({ code: 'invalid', hint: expect.stringContaining('insecure-skip-tls-verify') as unknown }) as Error,
  );
});

describe('credential plugins', () => {
  const withPlugin = (command: string): { user: object } => ({
    user: { token: undefined, exec: { apiVersion: 'client.authentication.k8s.io/v1', command, args: [] } },
  });

  function plugin(name: string, script: string): string {
    const path = join(server.directory, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o700);
    return path;
  }

  test('run once for parallel requests, and give the token', async () => {
    const log = join(server.directory, 'runs');
    const path = plugin('good', `echo run >> ${log}\necho '{"status":{"token":"from-plugin"}}'`);
    const seen = new Set<string | undefined>();
    handle = (request, response) => {
      seen.add(request.headers.authorization);
      answer(response, 200, OBJECT);
    };
    const cluster = server.client(withPlugin(path));
    await Promise.all([cluster.get(REF), cluster.get(REF), cluster.get(REF)]);
    await cluster.get(REF);
    expect([...seen]).toEqual(['Bearer from-plugin']);
    expect(readText(log)).toBe('run\n');
  });

  test('are asked again when the server no longer accepts the token', async () => {
    const count = join(server.directory, 'count');
    const path = plugin('rotating', `echo x >> ${count}\necho "{\\"status\\":{\\"token\\":\\"token-$(wc -l < ${count} | tr -d ' ')\\"}}"`);
    let accepted = 'Bearer token-1';
    handle = (request, response) =>
      request.headers.authorization === accepted
        ? answer(response, 200, OBJECT)
        : answer(response, 401, statusBody(401, 'Unauthorized', 'Unauthorized'));
    const cluster = server.client(withPlugin(path));
    await cluster.get(REF);
    accepted = 'Bearer token-2';
    await expect(cluster.get(REF)).resolves.toMatchObject(OBJECT);
    accepted = 'Bearer nothing';
    await expect(cluster.get(REF)).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('that fail make the context forbidden, without quoting their output', async () => {
    const path = plugin('bad', 'echo "token=very-secret" >&2; exit 3');
    const error = await server
      .client(withPlugin(path))
      .get(REF)
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'forbidden', message: expect.stringContaining(path) as unknown });
    expect(printed(error)).not.toContain('very-secret');
  });

  test('that print no JSON do not have their output quoted either', async () => {
    const path = plugin('garbled', 'echo "very-secret"');
    const error = await server
      .client(withPlugin(path))
      .get(REF)
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'forbidden' });
    expect(printed(error)).not.toContain('very-secret');
  });

  test('that are not installed are named', async () => {
    await expect(server.client(withPlugin('/nowhere/plugin')).get(REF)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('/nowhere/plugin') as unknown,
    });
  });

  test('that hang do not outlast the request timeout, and are named: no server was asked', async () => {
    const path = plugin('hanging', 'exec sleep 1');
    await expect(server.impatientClient(withPlugin(path)).get(REF)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(`the credential plugin ${path} did not answer within`) as unknown,
    });
  });

  test('that hang once are given up, named, and run anew', async () => {
    const hung = join(server.directory, 'hung');
    const path = plugin(
      'hanging-once',
      `if [ -e ${hung} ]; then echo '{"status":{"token":"from-plugin"}}'; else touch ${hung}; exec sleep 60; fi`,
    );
    const config = loadContext('scripted', server.kubeconfig(withPlugin(path)), [path]);
    const transport = new Transport(config, { userAgent: 'test', requestTimeoutMs: 15_000, credentialsTimeoutMs: 1_500 });
    const cluster = new Cluster('scripted', transport);
    try {
      await expect(cluster.get(REF)).rejects.toMatchObject({
        code: 'unreachable',
        message: `Context scripted has no usable credentials: the credential plugin ${path} did not answer within 1.5 s.`,
      });
      await expect(cluster.get(REF)).resolves.toMatchObject(OBJECT);
    } finally {
      cluster.close();
    }
  });
});

test('the token is in no error', async () => {
  handle = (_request, response) => answer(response, 403, statusBody(403, 'Forbidden', 'no'));
  const error = await server
    .client()
    .get(REF)
    .catch((caught: unknown) => caught);
  expect(isFabricError(error, 'forbidden')).toBe(true);
  expect(printed(error)).not.toContain('secret-token');
});

test('a watch yields events as they come and ends with the answer', async () => {
  handle = (_request, response) => sendEvents(response, ['ADDED', 'MODIFIED']);
  const seen: string[] = [];
  for await (const event of server.client().watch({ apiVersion: 'v1', kind: 'ConfigMap' }, '5')) seen.push(event.type);
  expect(seen).toEqual(['ADDED', 'MODIFIED']);
  expect(server.requests[0]).toContain('resourceVersion=5');
});

test('a watch that is left early closes its connection', async () => {
  let closed: Promise<void> | undefined;
  handle = (request, response) => {
    closed = new Promise((resolve) => request.socket.once('close', () => resolve()));
    response.write(`${JSON.stringify({ type: 'ADDED', object: OBJECT })}\n`);
  };
  for await (const event of server.client().watch({ apiVersion: 'v1', kind: 'ConfigMap' }, '5')) {
    expect(event.object).toMatchObject(OBJECT);
    break;
  }
  await closed;
});

function sendEvents(response: ServerResponse, types: readonly string[]): void {
  // In pieces that do not end with lines, as a network would deliver them.
  const text = types.map((type) => `${JSON.stringify({ type, object: OBJECT })}\n`).join('');
  response.write(text.slice(0, 30), () => response.end(text.slice(30)));
}

function printed(error: unknown): string {
  const { cause, message, stack } = error as Error;
  return JSON.stringify([error, message, stack, cause === undefined ? '' : printed(cause)]);
}

async function freePort(): Promise<number> {
  const probe = net.createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}

test('the guard of a signal is asked before each write under it, and before no read; what it refuses is not sent', async () => {
  const { signal } = new AbortController();
  let asked = 0;
  let refuses = false;
  guardWrites(signal, async () => {
    asked += 1;
    if (refuses) throw new Error('not yours');
  });
  const cluster = server.client();
  await cluster.get(REF, signal);
  expect(asked).toBe(0);
  await cluster.create(OBJECT, signal);
  expect(asked).toBeGreaterThan(0);
  refuses = true;
  await expect(cluster.replace(OBJECT, signal)).rejects.toThrow('not yours');
  await expect(cluster.delete(REF, { signal })).rejects.toThrow('not yours');
  await expect(cluster.apply(OBJECT, { signal })).rejects.toThrow('not yours');
  expect(server.requests.filter((request) => !request.startsWith('GET'))).toHaveLength(1);
});

test('a guard that does not answer is not waited for once its signal is aborted', async () => {
  const stop = new AbortController();
  guardWrites(stop.signal, () => new Promise(() => undefined));
  const creating = server.client().create(OBJECT, stop.signal);
  stop.abort(new Error('cancelled'));
  await expect(creating).rejects.toThrow('cancelled');
  expect(server.requests).toEqual([]);
});
