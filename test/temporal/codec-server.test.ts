import { request } from 'node:http';
import { defaultPayloadConverter } from '@temporalio/common';
import { withNewKey } from '../../src/temporal/codec-keys';
import { startCodecServer, type CodecServer, type CodecServerOptions } from '../../src/temporal/codec-server';

const UI = 'http://localhost:8233';
const keys = withNewKey(undefined, '/keys/codec.json');
const JSON_TYPE = { 'content-type': 'application/json' };

let server: CodecServer;
async function start(options: Partial<CodecServerOptions> = {}): Promise<void> {
  server = await startCodecServer({ keys, port: 0, origins: [UI], ...options });
}
afterEach(() => server.close());

interface Answer {
  readonly code?: string;
  readonly message?: string;
  readonly payloads?: readonly { readonly metadata: Record<string, string>; readonly data: string }[];
}

async function ask(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
  method = 'POST',
): Promise<{ status: number; headers: Headers; json: Answer | undefined }> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { ...JSON_TYPE, ...headers },
    ...(method === 'POST' ? { body: text } : {}),
  });
  const answer = await response.text();
  return { status: response.status, headers: response.headers, json: answer === '' ? undefined : (JSON.parse(answer) as Answer) };
}

const { metadata = {}, data } = defaultPayloadConverter.toPayload({ word: 'plain' });
const PLAIN = {
  metadata: Object.fromEntries(Object.entries(metadata!).map(([name, value]) => [name, Buffer.from(value).toString('base64')])),
  data: Buffer.from(data!).toString('base64'),
};

test('what it encodes it decodes, and what is plain stays plain', async () => {
  await start();
  expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const encoded = await ask('/encode', { payloads: [PLAIN] });
  expect(encoded.status).toBe(200);
  expect(Buffer.from(encoded.json?.payloads?.[0]?.metadata['encoding'] ?? '', 'base64').toString()).toBe('binary/encrypted');
  const decoded = await ask('/decode?namespace=default', { payloads: [...(encoded.json?.payloads ?? []), PLAIN] });
  expect(decoded).toMatchObject({ status: 200, json: { payloads: [PLAIN, PLAIN] } });
  expect(decoded.headers.get('cache-control')).toBe('no-store');
  expect(await ask('/decode', { payloads: [] })).toMatchObject({ status: 200, json: { payloads: [] } });
});

test('pages of the given origin may ask, and no others, whether they ask for leave or not', async () => {
  await start();
  const preflight = { 'access-control-request-method': 'POST', 'access-control-request-private-network': 'true' };
  const allowed = await ask('/decode', '', { origin: UI, ...preflight }, 'OPTIONS');
  expect(allowed.status).toBe(204);
  expect(allowed.headers.get('access-control-allow-origin')).toBe(UI);
  expect(allowed.headers.get('access-control-allow-headers')).toContain('x-namespace');
  expect(allowed.headers.get('access-control-allow-private-network')).toBe('true');
  const answered = await ask('/decode', { payloads: [PLAIN] }, { origin: UI });
  expect(answered.headers.get('access-control-allow-origin')).toBe(UI);
  for (const origin of ['http://evil.example', 'null', `${UI}.evil.example`, 'https://localhost:8233']) {
    for (const method of ['OPTIONS', 'POST']) {
      const refused = await ask('/decode', { payloads: [PLAIN] }, { origin }, method);
      expect(refused).toMatchObject({ status: 403, json: { code: 'forbidden' } });
      expect(refused.headers.get('access-control-allow-origin')).toBeNull();
      expect(JSON.stringify(refused.json)).not.toContain(PLAIN.data);
    }
  }
});

test('with a token, everybody must show it', async () => {
  await start({ token: 'a-long-token-of-the-server' });
  for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'a-long-token-of-the-server' }] as Record<
    string,
    string
  >[]) {
    expect(await ask('/decode', { payloads: [] }, headers)).toMatchObject({ status: 401, json: { code: 'forbidden' } });
  }
  expect(await ask('/decode', { payloads: [] }, { authorization: 'Bearer a-long-token-of-the-server' })).toMatchObject({ status: 200 });
});

test.each([
  ['no JSON', '/decode', '{', 400],
  ['another shape', '/decode', { payload: [] }, 400],
  ['no base64', '/decode', { payloads: [{ data: '*' }] }, 400],
  ['another place', '/keys', { payloads: [] }, 404],
])('a request with %s is answered with JSON that says so', async (_what, path, body, status) => {
  await start();
  expect(await ask(path, body)).toMatchObject({ status, json: { code: expect.any(String), message: expect.any(String) } });
});

test('other methods and other bodies are refused', async () => {
  await start();
  expect((await ask('/decode', '', {}, 'GET')).status).toBe(405);
  expect((await ask('/decode', { payloads: [] }, { 'content-type': 'text/plain' })).status).toBe(415);
});

test('a payload of an unknown key is told by its id', async () => {
  await start();
  const other = await startCodecServer({ keys: withNewKey(undefined, '', 'k9'), port: 0, origins: [] });
  const encoded = await (
    await fetch(`${other.url}/encode`, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ payloads: [PLAIN] }) })
  ).text();
  await other.close();
  expect(await ask('/decode', encoded)).toMatchObject({
    status: 400,
    json: { code: 'forbidden', message: expect.stringContaining('"k9"'), hint: expect.stringContaining('/keys/codec.json') },
  });
});

test('a body that is too large is refused before it is all there', async () => {
  await start();
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const sending = request(`${server.url}/decode`, { method: 'POST', headers: JSON_TYPE }, (response) => {
      resolve(response.statusCode);
      sending.destroy();
    });
    sending.on('error', reject);
    const part = Buffer.alloc(1024 * 1024, 'x');
    // Without an end.
    for (let sent = 0; sent < 9; sent += 1) sending.write(part);
  });
  expect(status).toBe(413);
});

test('more payloads than any page has are refused', async () => {
  await start();
  const many = (count: number): object => ({ payloads: Array.from({ length: count }, () => ({})) });
  expect(await ask('/encode', many(10_001))).toMatchObject({ status: 413, json: { code: 'invalid' } });
  expect((await ask('/encode', many(10_000))).json?.payloads).toHaveLength(10_000);
});

test('a port that is taken is a conflict', async () => {
  await start();
  const port = Number(new URL(server.url).port);
  await expect(startCodecServer({ keys, port, origins: [] })).rejects.toMatchObject({ code: 'conflict' });
  await expect(startCodecServer({ keys, port: 0, host: '192.0.2.1', origins: [] })).rejects.toMatchObject({ code: 'invalid' });
});
