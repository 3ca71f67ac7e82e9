// The release installer against a local mirror that serves good, broken and hostile archives.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Header } from 'tar';
import { unpackRelease } from '../../src/clusterlink/release-archive';
import { hostPlatform, installRelease, requireReleaseTag, type InstallReleaseOptions } from '../../src/clusterlink/release';

type Entry = { path: string; body?: string; type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link'; linkpath?: string };
type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const PROGRAM: Entry = { path: './clusterlink/clusterlink', body: '#!/bin/sh\necho clusterlink v0.4.1\n' };
const GOOD = archiveOf([{ path: './clusterlink/', type: 'Directory' }, PROGRAM]);
const MIB = 1024 * 1024;
const TAG = 'v0.4.1';
const { os, arch } = hostPlatform();

let server: Server;
let base: string;
let directory: string;
let requests: string[];
let answer: Handler;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-release-'));
  requests = [];
  answer = (_request, response) => response.end(GOOD);
  server = createServer((request, response) => {
    requests.push(String(request.url));
    answer(request, response);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  await rm(directory, { recursive: true, force: true });
});

test('a release is fetched, unpacked, made executable and recorded', async () => {
  const seen: number[] = [];
  const result = await install({ onProgress: ({ received }) => seen.push(received) });

  const folder = join(directory, 'clusterlink', TAG, `${os}-${arch}`);
  expect(result).toEqual({ path: join(folder, 'clusterlink'), digest: sha256(GOOD), installed: true, pinned: false });
  expect(requests).toEqual([`/${TAG}/clusterlink-${os}-${arch}.tar.gz`]);
  expect(await readFile(result.path, 'utf8')).toBe(PROGRAM.body);
  expect((await stat(result.path)).mode & 0o777).toBe(0o755);
  expect(seen.at(-1)).toBe(GOOD.length);
  expect((await readdir(folder)).sort()).toEqual(['clusterlink', 'release.json']);
});

test('a second install finds the program and fetches nothing', async () => {
  await install();
  const again = await install();
  expect(again).toMatchObject({ installed: false, pinned: true, digest: sha256(GOOD) });
  expect(requests).toHaveLength(1);
});

test('a corrupt program is installed again, and held to the digest recorded before', async () => {
  const { path } = await install();
  await writeFile(path, 'rotten');
  expect(await install()).toMatchObject({ installed: true, pinned: true });
  expect(await readFile(path, 'utf8')).toBe(PROGRAM.body);

  await writeFile(path, 'rotten');
  answer = (_request, response) => response.end(archiveOf([{ ...PROGRAM, body: '#!/bin/sh\n' }]));
  await expect(install()).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining(sha256(GOOD)) });
});

test('a given digest is accepted when it fits, with or without its prefix', async () => {
  expect(await install({ digest: `sha256:${sha256(GOOD).toUpperCase()}` })).toMatchObject({ installed: true, pinned: true });
});

test('a wrong digest is a conflict that shows both, and leaves nothing', async () => {
  const expected = 'a'.repeat(64);
  await expect(install({ digest: expected })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringMatching(new RegExp(`${expected}.*${sha256(GOOD)}`)),
  });
  expect(await filesLeft()).toEqual([]);
});

test('a digest that differs from the recorded one is a conflict before anything is fetched', async () => {
  await install();
  await expect(install({ digest: 'b'.repeat(64) })).rejects.toMatchObject({ code: 'conflict' });
  expect(requests).toHaveLength(1);
});

test('a record that cannot be read does not lift the pin', async () => {
  const { path } = await install();
  await writeFile(join(path, '..', 'release.json'), '{}');
  await expect(install()).rejects.toMatchObject({ code: 'conflict', hint: expect.stringContaining('Remove') });
});

test('a transfer that breaks off is unavailable and leaves nothing', async () => {
  answer = (_request, response) => {
    response.writeHead(200, { 'content-length': GOOD.length });
    response.write(GOOD.subarray(0, 100), () => response.destroy());
  };
  await expect(install()).rejects.toMatchObject({ code: 'unavailable', retryable: true });
  expect(await filesLeft()).toEqual([]);
});

test('an archive cut short without a length is unavailable', async () => {
  answer = (_request, response) => {
    response.write(GOOD.subarray(0, GOOD.length - 40));
    response.end();
  };
  await expect(install()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('too early') });
});

test.each<[string, Entry[], RegExp]>([
  ['a path that climbs out', [PROGRAM, { path: '../../evil', body: 'x' }], /"\.\.\/\.\.\/evil", which points outside/],
  ['an absolute path', [{ path: '/etc/evil', body: 'x' }], /points outside/],
  ['a symbolic link as the program', [{ path: 'clusterlink/clusterlink', type: 'SymbolicLink', linkpath: '/bin/sh' }], /SymbolicLink/],
  ['a hard link', [PROGRAM, { path: 'clusterlink/x', type: 'Link', linkpath: '/etc/passwd' }], /Link/],
  ['the program twice', [PROGRAM, PROGRAM], /twice/],
  ['no program', [{ path: 'clusterlink/README', body: 'x' }], /holds no clusterlink\/clusterlink/],
])('an archive with %s is refused and nothing is written', async (_what, entries, message) => {
  answer = (_request, response) => response.end(archiveOf(entries));
  await expect(install()).rejects.toMatchObject({ code: 'invalid', message: expect.stringMatching(message) });
  expect(await filesLeft()).toEqual([]);
});

test('a page that is no archive is refused', async () => {
  answer = (_request, response) => response.end('<html>log in first</html>'.repeat(100));
  await expect(install()).rejects.toMatchObject({ code: 'invalid' });
});

test('a program that fails its version check is refused', async () => {
  answer = (_request, response) => response.end(archiveOf([{ ...PROGRAM, body: '#!/bin/sh\nexit 3\n' }]));
  await expect(install()).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('--version') });
  expect(await filesLeft()).toEqual([]);
});

test.each([
  ['succeeds', 'exit 0'],
  ['fails', 'exit 3'],
])('nothing that a program started outlives a version check that %s', async (_how, end) => {
  const pidFile = join(directory, 'pid');
  const body = `#!/bin/sh\nsleep 300 &\necho $! > '${pidFile}'\n${end}\n`;
  answer = (_request, response) => response.end(archiveOf([{ ...PROGRAM, body }]));
  await install().catch(() => undefined);
  await ended(pidFile);
});

test('an install aborted during the version check ends the program and what it started', async () => {
  const pidFile = join(directory, 'pid');
  const body = `#!/bin/sh\nsleep 300 &\necho $! > '${pidFile}.new'\nmv '${pidFile}.new' '${pidFile}'\nwait\n`;
  answer = (_request, response) => response.end(archiveOf([{ ...PROGRAM, body }]));
  const abort = new AbortController();
  const outcome = expect(install({ signal: abort.signal })).rejects.toThrow('cancelled by the operator');
  while (!(await readdir(directory)).includes('pid')) await setImmediate();
  abort.abort(new Error('cancelled by the operator'));
  await outcome;
  await ended(pidFile);
});

test.each([
  ['zeros after its end', Buffer.concat([gunzipSync(GOOD), Buffer.alloc(8 * MIB)])],
  ['a large program', gunzipSync(archiveOf([{ ...PROGRAM, body: 'x'.repeat(8 * MIB) }]))],
])('an archive that unpacks to too much by %s is refused before it is unpacked whole', async (_what, tar) => {
  const archive = join(directory, 'bomb.tar.gz');
  const to = join(directory, 'program');
  // What follows the first half is no gzip data: reading as far as that would be told as such.
  const packed = gzipSync(tar);
  await writeFile(archive, Buffer.concat([packed.subarray(0, packed.length / 2), Buffer.alloc(1024)]));
  const unpacking = unpackRelease(archive, to, 'bomb', new AbortController().signal, MIB);
  await expect(unpacking).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('more than a release can') });
  expect((await stat(to)).size).toBeLessThanOrEqual(MIB);
});

test('what follows the end of an archive is passed over', async () => {
  answer = (_request, response) => response.end(gzipSync(Buffer.concat([gunzipSync(GOOD), Buffer.alloc(MIB)])));
  expect(await install()).toMatchObject({ installed: true });
});

test('an archive compressed twice is refused', async () => {
  answer = (_request, response) => response.end(gzipSync(GOOD));
  await expect(install()).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('compressed twice') });
});

test('a program of another platform is installed without being run', async () => {
  answer = (_request, response) => response.end(archiveOf([{ ...PROGRAM, body: 'not for here' }]));
  const other = { os: 'darwin', arch: arch === 'arm64' ? 'amd64' : 'arm64' } as const;
  expect((await install({ platform: other })).path).toContain(`${other.os}-${other.arch}`);
});

test('a missing release is not found, named by its URL', async () => {
  answer = (_request, response) => response.writeHead(404).end();
  await expect(install()).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringContaining(`${base}/${TAG}/`),
    retryable: false,
  });
});

test('the login in a mirror URL is sent to that mirror, and never told in a message', async () => {
  const source = base.replace('http://', 'http://user:s%40cret@');
  const logins: (string | undefined)[] = [];
  answer = (request, response) => {
    logins.push(request.headers.authorization);
    if (request.url === '/end') response.writeHead(403).end();
    else response.writeHead(302, { location: `${base.replace('127.0.0.1', 'localhost')}/end` }).end();
  };
  await expect(install({ source })).rejects.toMatchObject({ code: 'forbidden', message: expect.not.stringMatching('s@cret|s%40cret') });
  expect(logins).toEqual([`Basic ${Buffer.from('user:s@cret').toString('base64')}`, undefined]);
});

test('a busy mirror is unavailable with its Retry-After, and the next try succeeds', async () => {
  answer = (_request, response) => response.writeHead(503, { 'retry-after': '7' }).end();
  await expect(install()).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 7000, retryable: true });
  answer = (_request, response) => response.end(GOOD);
  expect(await install()).toMatchObject({ installed: true });
});

test('a mirror that does not listen is unreachable', async () => {
  const closed = createServer();
  await new Promise<void>((listening) => closed.listen(0, '127.0.0.1', listening));
  const { port } = closed.address() as AddressInfo;
  await new Promise((done) => closed.close(done));
  await expect(install({ source: `http://127.0.0.1:${port}` })).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining('ECONNREFUSED'),
  });
});

test('redirects are followed, but not for ever and never to an unsafe place', async () => {
  answer = (request, response) => (request.url === '/end' ? response.end(GOOD) : response.writeHead(302, { location: '/end' }).end());
  expect(await install()).toMatchObject({ installed: true });
  await rm(join(directory, 'clusterlink'), { recursive: true });

  answer = (_request, response) => response.writeHead(302, { location: '/again' }).end();
  await expect(install()).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('more than 5') });

  answer = (_request, response) => response.writeHead(302, { location: 'http://mirror.example/x.tar.gz' }).end();
  await expect(install()).rejects.toMatchObject({ code: 'invalid' });

  answer = (_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end();
  await expect(install()).rejects.toMatchObject({ code: 'invalid' });
});

test('installs at the same time agree on one program', async () => {
  const results = await Promise.all(Array.from({ length: 5 }, () => install()));
  expect(new Set(results.map(({ digest }) => digest)).size).toBe(1);
  expect((await readdir(join(results[0]?.path ?? '', '..'))).sort()).toEqual(['clusterlink', 'release.json']);
});

test('of two installs that see different archives, only the first to record wins', async () => {
  const other = archiveOf([{ ...PROGRAM, body: '#!/bin/sh\nexit 0\n' }]);
  const waiting: ServerResponse[] = [];
  // Both are answered only when both have asked, so that neither finds the other's record beforehand.
  answer = (_request, response) => {
    waiting.push(response);
    if (waiting.length === 2) waiting.forEach((each, i) => each.end(i === 0 ? GOOD : other));
  };
  const settled = await Promise.allSettled([install(), install()]);
  const winner = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const loser = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  expect(winner).toHaveLength(1);
  expect(loser).toEqual([expect.objectContaining({ code: 'conflict' })]);
  expect(await install()).toMatchObject({ installed: false, digest: winner[0]?.digest });
});

test('an aborted install stops at once and leaves nothing', async () => {
  const abort = new AbortController();
  answer = (_request, response) => {
    response.writeHead(200, { 'content-length': GOOD.length });
    response.write(GOOD.subarray(0, 50), () => abort.abort(new Error('cancelled by the operator')));
  };
  await expect(install({ signal: abort.signal })).rejects.toThrow('cancelled by the operator');
  expect(await filesLeft()).toEqual([]);
});

test('a mirror may be a folder, a file: URL or one archive', async () => {
  const mirror = join(directory, 'mirror');
  const archive = join(mirror, TAG, `clusterlink-${os}-${arch}.tar.gz`);
  await mkdir(join(mirror, TAG), { recursive: true });
  await writeFile(archive, GOOD);
  for (const source of [mirror, `file://${mirror}`, archive]) {
    expect(await install({ source })).toMatchObject({ installed: true, digest: sha256(GOOD) });
    await rm(join(directory, 'clusterlink'), { recursive: true });
  }
  await expect(install({ source: join(mirror, 'nowhere') })).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('nowhere'),
  });
});

test.each(['http://mirror.example', 'ftp://mirror.example/x'])('%s is refused as a mirror', async (source) => {
  await expect(install({ source })).rejects.toMatchObject({ code: 'invalid' });
});

test.each(['latest', '', '../v1.2.3', 'v1.2', '0.4.1', 'v1.2.3/..', 'v1.2.3\n', `v1.2.3-${'a'.repeat(80)}`])(
  'the tag %j is refused',
  (tag) => {
    expect(() => requireReleaseTag(tag)).toThrow(expect.objectContaining({ code: 'invalid' }));
  },
);

test.each(['v0.4.1', 'v1.0.0-rc.1'])('the tag %s is accepted', (tag) => {
  expect(requireReleaseTag(tag)).toBe(tag);
});

test('a digest that is none is refused', async () => {
  await expect(install({ digest: 'abc' })).rejects.toMatchObject({ code: 'invalid' });
});

function install(options: Partial<InstallReleaseOptions> = {}) {
  return installRelease({ tag: TAG, directory, source: base, signal: new AbortController().signal, ...options });
}

/** Waits until the process whose id the file holds has ended; one that nobody has reaped yet has ended, too. */
async function ended(pidFile: string): Promise<void> {
  const pid = (await readFile(pidFile, 'utf8')).trim();
  expect(pid).toMatch(/^\d+$/);
  const states = (): string => execFileSync('ps', ['-A', '-o', 'pid=,stat=']).toString();
  while (new RegExp(`^\\s*${pid}\\s+[^Z\\s]`, 'm').test(states())) await setImmediate();
}

async function filesLeft(): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function archiveOf(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ path, body = '', type = 'File', linkpath }) => {
    const header = new Header({
      path,
      type,
      mode: 0o755,
      size: body.length,
      mtime: new Date(0),
      ...(linkpath === undefined ? {} : { linkpath }),
    });
    header.encode();
    const padded = Buffer.alloc(Math.ceil(body.length / 512) * 512);
    padded.write(body);
    return [header.block ?? Buffer.alloc(512), padded];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}
