// An API server, or whatever answers in its place, that means no good: every answer ends in bounded time and memory, as an error with a
// code and clean words; nothing is sent to anybody else.
import type { IncomingMessage, ServerResponse } from 'node:http';
import http from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { findMissingPermissions, serverVersion } from '../../src/kubernetes/access';
import type { Cluster } from '../../src/kubernetes/cluster';
import type { ObjectRef } from '../../src/kubernetes/kube-object';
import { watchUntil } from '../../src/kubernetes/watch-until';
import { expectTellable, STEERING_TEXT } from '../support/hostile';
import type { ScriptedServer } from './scripted-server';
import { answer, startScriptedServer, statusBody } from './scripted-server';

const REF: ObjectRef = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'shop', name: 'prices' };
const QUERY = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'shop' };
const metadata = { name: 'prices', namespace: 'shop', resourceVersion: '7' };
const OBJECT = { apiVersion: 'v1', kind: 'ConfigMap', metadata };
const MIB = 1024 * 1024;

let handle: (request: IncomingMessage, response: ServerResponse) => void;
let server: ScriptedServer;

beforeAll(async () => {
  server = await startScriptedServer((request, response) => handle(request, response));
});
afterAll(() => server.close());

async function failureOf(work: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> {
  const caught = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expectTellable(caught);
  expect(JSON.stringify([caught.message, caught.hint])).not.toContain('secret-token');
  return caught;
}

const raw =
  (text: string, status = 200, headers: Record<string, string> = {}) =>
  (_request: IncomingMessage, response: ServerResponse): void =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);

const json = (value: unknown): ((request: IncomingMessage, response: ServerResponse) => void) => raw(JSON.stringify(value));

test.each<readonly [what: string, code: string, answers: (request: IncomingMessage, response: ServerResponse) => void]>([
  ['an empty answer', 'unavailable', raw('')],
  ['JSON that is cut off', 'unavailable', raw(JSON.stringify(OBJECT).slice(0, -5))],
  ['JSON that nests for ever', 'unavailable', raw(`{"metadata":${'{"a":'.repeat(200_000)}`)],
  ['a list instead of an object', 'unavailable', raw('[]')],
  ['a number', 'unavailable', raw('7')],
  ['the page of a proxy', 'unavailable', raw('<html>log in</html>', 200, { 'content-type': 'text/html' })],
  ['the page of a proxy that forbids', 'forbidden', raw(`<html>${STEERING_TEXT}`, 403, { 'content-type': 'text/html' })],
  ['an object without metadata', 'unavailable', json({ kind: 'ConfigMap' })],
  ['metadata that is a text', 'unavailable', json({ metadata: 'prices' })],
  ['an object without a name', 'unavailable', json({ metadata: { namespace: 'shop' } })],
  ['another object', 'unavailable', json({ metadata: { ...metadata, name: 'other' } })],
  ['an object of another namespace', 'unavailable', json({ metadata: { ...metadata, namespace: 'kube-system' } })],
  ['labels that are a list', 'unavailable', json({ metadata: { ...metadata, labels: ['a'] } })],
  ['an annotation that is an object', 'unavailable', json({ metadata: { ...metadata, annotations: { a: {} } } })],
  ['owners that are a number', 'unavailable', json({ metadata: { ...metadata, ownerReferences: 7 } })],
  ['a status that nobody knows', 'unavailable', raw('{}', 799)],
  ['no content', 'unavailable', raw('', 204)],
  ['a refusal in escapes', 'invalid', (_, response) => answer(response, 422, statusBody(422, STEERING_TEXT, STEERING_TEXT.repeat(1_000)))],
  ['a Retry-After of years', 'unavailable', raw('{}', 503, { 'retry-after': '999999999999' })],
  ['headers without an end', 'unreachable', (_, response) => void response.writeHead(200, { 'x-long': 'x'.repeat(100_000) }).end()],
  [
    'chunks that are none',
    'unreachable',
    (_, response) => void response.socket?.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nrubbish'),
  ],
  [
    'an answer that is shorter than it says',
    'unreachable',
    (_, response) => void response.socket?.end('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{}'),
  ],
  ['no HTTP', 'unreachable', (_, response) => void response.socket?.end('SSH-2.0-OpenSSH_9.6\r\n')],
  [
    'another protocol',
    'unreachable',
    (_, response) => void response.socket?.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
  ],
])('%s is %s', async (_what, code, answers) => {
  handle = answers;
  const failure = await failureOf(server.client().get(REF));
  expect(failure.code).toBe(code);
});

test.each([301, 302, 303, 307, 308])('a redirect (%i) is told and not followed: the token goes nowhere else', async (status) => {
  let visits = 0;
  const elsewhere = http.createServer((_request, response) => {
    visits += 1;
    response.end(JSON.stringify(OBJECT));
  });
  await once(elsewhere.listen(0, '127.0.0.1'), 'listening');
  try {
    handle = raw('', status, { location: `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/` });
    const failure = await failureOf(server.client().create(OBJECT));
    expect(failure).toMatchObject({ code: 'unavailable', message: expect.stringMatching(/redirect .* not followed/) as unknown });
    expect(visits).toBe(0);
  } finally {
    await new Promise((closed) => elsewhere.close(closed));
  }
});

test('an answer without an end is cut off, and memory stays bounded', async () => {
  const chunk = Buffer.alloc(MIB, 0x20);
  let sent = 0;
  handle = (_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(chunk)) sent += 1;
      response.once('drain', more);
    };
    response.writeHead(200);
    more();
  };
  sent = 0;
  expect(await failureOf(server.client().get(REF))).toMatchObject({
    code: 'invalid',
    message: expect.stringContaining('more than 32 MiB') as unknown,
  });
  sent = 0;
  const watching = async (cluster: Cluster): Promise<void> => {
    for await (const event of cluster.watch(QUERY, '7')) expect(event).toBeUndefined();
  };
  expect(await failureOf(watching(server.client()))).toMatchObject({ code: 'invalid' });
  // What the two sides' buffers hold comes on top.
  expect(sent).toBeLessThan(128);
});

test('an answer that comes byte by byte ends with the time that a request has', async () => {
  handle = (_request, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write('{'), 20);
    response.once('close', () => clearInterval(timer));
  };
  expect(await failureOf(server.impatientClient().get(REF))).toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining('0.3 s') as unknown,
  });
});

test('headers that come byte by byte end with it too', async () => {
  handle = (_request, { socket }) => {
    socket?.write('HTTP/1.1 200 OK\r\nx-slow: ');
    const timer = setInterval(() => socket?.write('x'), 20);
    socket?.once('close', () => clearInterval(timer));
  };
  expect(await failureOf(server.impatientClient().get(REF))).toMatchObject({ code: 'unreachable' });
});

test.each(['', '.', '..', '../../../api/v1/namespaces/kube-system', 'a/b', '%2e%2e%2f'])(
  'a list that names an object %j is no list, and no request is made for such a name',
  async (name) => {
    handle = json({ metadata: { resourceVersion: '1' }, items: [{ metadata: { ...metadata, name } }] });
    const cluster = server.client();
    expect((await failureOf(cluster.list(QUERY))).code).toBe('unavailable');
    const before = server.requests.length;
    expect((await failureOf(cluster.delete({ ...REF, name }))).code).toBe('invalid');
    expect((await failureOf(cluster.get({ ...REF, namespace: name }))).code).toBe('invalid');
    expect(server.requests).toHaveLength(before);
  },
);

test.each<readonly [what: string, page: unknown]>([
  ['items that are an object', { metadata: { resourceVersion: '1' }, items: {} }],
  ['items of another namespace', { metadata: { resourceVersion: '1' }, items: [{ metadata: { ...metadata, namespace: 'kube-system' } }] }],
  ['items that are null', { metadata: { resourceVersion: '1' }, items: [null] }],
  ['no version', { metadata: {}, items: [] }],
  ['metadata that is null', { metadata: null, items: [] }],
  ['a token that is an object', { metadata: { resourceVersion: '1', continue: {} }, items: [] }],
  ['the same token for ever', { metadata: { resourceVersion: '1', continue: 'x' }, items: [] }],
])('a list with %s is no list', async (_what, page) => {
  handle = json(page);
  expect((await failureOf(server.client().list(QUERY))).code).toBe('unavailable');
});

test('a list without an end is given up', async () => {
  let page = 0;
  handle = (_request, response) => {
    page += 1;
    answer(response, 200, { metadata: { resourceVersion: '1', continue: `page-${page}` }, items: [] });
  };
  expect((await failureOf(server.client().list(QUERY))).code).toBe('unavailable');
  expect(page).toBe(2_001);
});

test.each<readonly [what: string, line: unknown]>([
  ['no object', { type: 'ADDED' }],
  ['an object without metadata', { type: 'MODIFIED', object: {} }],
  ['an object without a name', { type: 'DELETED', object: { metadata: {} } }],
  ['a type that nobody knows', { type: '__proto__', object: OBJECT }],
  ['a bookmark that is a text', { type: 'BOOKMARK', object: 'x' }],
  ['an error that is null', { type: 'ERROR', object: null }],
])('an event of a watch with %s is an error, and a wait for it goes on until its end', async (_what, line) => {
  handle = (request, response) => {
    if (request.url?.includes('watch=true') === true) raw(`${JSON.stringify(line)}\n`)(request, response);
    else answer(response, 200, { metadata: { resourceVersion: '1' }, items: [OBJECT] });
  };
  const watching = async (): Promise<void> => {
    for await (const event of server.client().watch(QUERY, '7')) expect(event).toBeUndefined();
  };
  expect((await failureOf(watching())).code).toBe('unavailable');
  const wait = watchUntil(server.client(), {
    query: QUERY,
    until: () => undefined,
    describe: () => `it says ${STEERING_TEXT}`,
    timeoutMs: 300,
  });
  expect((await failureOf(wait)).code).toBe('unready');
});

test('events without an end let a wait end in its time', async () => {
  handle = (request, response) => {
    if (request.url?.includes('watch=true') !== true) {
      answer(response, 200, { metadata: { resourceVersion: '1' }, items: [] });
      return;
    }
    let count = 0;
    const line = (): string =>
      `${JSON.stringify({ type: 'ADDED', object: { metadata: { ...metadata, name: `n${(count += 1) % 500}` } } })}\n`;
    const more = (): void => {
      while (!response.destroyed && response.write(line().repeat(10)));
      response.once('drain', more);
    };
    response.writeHead(200);
    more();
  };
  const started = Date.now();
  const wait = watchUntil(server.client(), { query: QUERY, until: () => undefined, describe: () => 'not yet', timeoutMs: 500 });
  expect((await failureOf(wait)).code).toBe('unready');
  expect(Date.now() - started).toBeLessThan(10_000);
});

test('answers about permissions and versions of the wrong types allow nothing', async () => {
  handle = json({ status: { allowed: 'yes' } });
  const permission = { group: '', resource: 'secrets', verb: 'get' };
  expect(await findMissingPermissions(server.client(), [permission])).toEqual([permission]);
  handle = json({ major: 1, minor: null, gitVersion: {} });
  expect((await failureOf(serverVersion(server.client()))).code).toBe('unavailable');
});
