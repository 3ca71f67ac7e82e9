import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { AuthorityStore } from '../../src/pki/authority-store';
import type { AuthorityRecord } from '../../src/pki/authority-record';
import { createFabricAuthority } from '../../src/pki/certificate';
import { FileBackend } from '../../src/pki/file-backend';

let directory: string;
let record: AuthorityRecord;
let backend: FileBackend;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-files-'));
  record = { ...(await createFabricAuthority({ fabric: 'demo', keyBits: 2048 })), claims: { a: { run: '1' } } };
});
afterAll(() => rm(directory, { recursive: true }));

let store: string;
let folder: string;
beforeEach(async () => {
  store = join(await mkdtemp(join(directory, 'case-')), 'keys');
  folder = join(store, 'demo');
  backend = new FileBackend(store);
});

/** Everything in the fabric's folder, with what the files hold. */
async function contents(): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const)));
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

test('directories are 0700 and files 0600, whatever the umask', async () => {
  const umask = process.umask(0);
  try {
    await backend.write('demo', record, undefined);
  } finally {
    process.umask(umask);
  }
  expect(await modeOf(store)).toBe(0o700);
  expect(await modeOf(folder)).toBe(0o700);
  expect(await modeOf(join(folder, 'authority.1.json'))).toBe(0o600);
});

test('reading touches nothing', async () => {
  expect(await backend.read('demo')).toBeUndefined();
  await expect(readdir(store)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a record comes back as it was written, with its version', async () => {
  expect(await backend.write('demo', record, undefined)).toBe(true);
  expect(await backend.read('demo')).toEqual({ record, version: '1' });
  expect(await backend.write('demo', { ...record, claims: {} }, '1')).toBe(true);
  expect(await backend.read('demo')).toEqual({ record: { ...record, claims: {} }, version: '2' });
});

test('only a writer who has seen the latest version writes', async () => {
  await backend.write('demo', record, undefined);
  expect(await backend.write('demo', record, undefined)).toBe(false);
  expect(await backend.write('demo', record, '2')).toBe(false);
  expect(await backend.remove('demo', '0')).toBe(false);
  await backend.write('demo', record, '1');
  expect(await backend.write('demo', record, '1')).toBe(false);
  expect(await backend.remove('demo', '1')).toBe(false);
});

test('keys of earlier versions are wiped, and a removed authority leaves no key behind', async () => {
  await backend.write('demo', record, undefined);
  await backend.write('demo', { ...record, claims: {} }, '1');
  expect(await contents()).toEqual({ 'authority.1.json': '', 'authority.2.json': expect.stringContaining('PRIVATE KEY') });
  expect(await backend.remove('demo', '2')).toBe(true);
  expect(await contents()).toEqual({ 'authority.1.json': '', 'authority.2.json': '', 'authority.3.json': '{"removed":true}\n' });
  expect(await backend.read('demo')).toBeUndefined();
  expect(await backend.remove('demo', '3')).toBe(false);
  expect(await backend.write('demo', record, '3')).toBe(false);
  expect(await backend.write('demo', record, undefined)).toBe(true);
  expect(await backend.read('demo')).toMatchObject({ version: '4' });
});

test('the folder does not grow without end', async () => {
  await backend.write('demo', record, undefined);
  for (let version = 1; version < 50; version += 1) expect(await backend.write('demo', record, String(version))).toBe(true);
  const names = await readdir(folder);
  expect(names).toHaveLength(32);
  expect(names).toContain('authority.50.json');
});

describe('a writer that is overtaken between reading and writing', () => {
  /** Starts a write in place of version 1, lets `others` happen just before its file gets its name, and returns whether it was first. */
  async function writeSlowly(others: () => Promise<void>): Promise<boolean> {
    await backend.write('demo', record, undefined);
    const realLink = fs.link;
    const link = jest.spyOn(fs, 'link').mockImplementationOnce(async (from, to) => {
      await others();
      await realLink(from, to);
    });
    try {
      return await backend.write('demo', { ...record, claims: {} }, '1');
    } finally {
      link.mockRestore();
    }
  }

  test.each([1, 2, 31, 32, 33, 60])('by %d others is not first, and changes nothing', async (others) => {
    const first = await writeSlowly(async () => {
      for (let version = 1; version <= others; version += 1) await backend.write('demo', record, String(version));
    });
    expect(first).toBe(false);
    expect(await backend.read('demo')).toEqual({ record, version: String(others + 1) });
    expect(Object.values(await contents()).filter((held) => held !== '')).toHaveLength(1);
  });

  test('by a removal does not bring the authority back', async () => {
    const removal = async (): Promise<void> => {
      await backend.remove('demo', '1');
    };
    expect(await writeSlowly(removal)).toBe(false);
    expect(await backend.read('demo')).toBeUndefined();
  });
});

test('what a worker left that died while it wrote is cleared away', async () => {
  await backend.write('demo', record, undefined);
  const abandoned = join(folder, 'authority.0-0.partial');
  const current = join(folder, 'authority.1-1.partial');
  await Promise.all([abandoned, current].map((path) => writeFile(path, '', { mode: 0o600 })));
  // A key is not left for an hour.
  await writeFile(join(folder, 'authority.2-2.partial'), 'key', { mode: 0o600 });
  const twoHoursAgo = new Date(Date.now() - 7_200_000);
  await utimes(abandoned, twoHoursAgo, twoHoursAgo);
  // It may also have died between its link and the wiping of the version before.
  await writeFile(join(folder, 'authority.2.json'), await readFile(join(folder, 'authority.1.json')), { mode: 0o600 });
  expect(await backend.read('demo')).toMatchObject({ version: '2' });
  await backend.write('demo', record, '2');
  expect(await contents()).toEqual({
    'authority.1-1.partial': '',
    'authority.1.json': '',
    'authority.2.json': '',
    'authority.3.json': expect.stringContaining('PRIVATE KEY'),
  });
});

test('what a full disk took of a key is cleared away at once', async () => {
  await backend.write('demo', record, undefined);
  const realOpen = fs.open;
  const opened = jest.spyOn(fs, 'open').mockImplementation(async (...args) => {
    const file = await realOpen(...args);
    file.sync = () => Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
    return file;
  });
  try {
    await expect(backend.write('demo', record, '1')).rejects.toMatchObject({ code: 'unavailable' });
  } finally {
    opened.mockRestore();
  }
  expect(Object.keys(await contents())).toEqual(['authority.1.json']);
  expect(await backend.write('demo', record, '1')).toBe(true);
});

test.each([
  ['file', () => join(folder, 'authority.1.json'), 0o640, /chmod 600 /],
  ['folder', () => folder, 0o755, /chmod 700 /],
])('a %s that others may read is refused, and says what to do', async (_what, path, mode, hint) => {
  await backend.write('demo', record, undefined);
  await chmod(path(), mode);
  const refusal = { code: 'forbidden', object: path(), message: expect.stringContaining(path()), hint: expect.stringMatching(hint) };
  await expect(backend.read('demo')).rejects.toMatchObject(refusal);
  await expect(backend.write('demo', record, '1')).rejects.toMatchObject(refusal);
  await expect(backend.remove('demo', '1')).rejects.toMatchObject(refusal);
});

test('a damaged file is told by its path, without its content', async () => {
  await backend.write('demo', record, undefined);
  const path = join(folder, 'authority.1.json');
  const whole = await readFile(path, 'utf8');
  for (const damaged of ['', 'SECRET', whole.slice(0, -9), whole.replace(/MI.{20}/, 'SECRET')]) {
    await writeFile(path, damaged);
    const failure: unknown = await backend.read('demo').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'invalid', object: path, message: expect.stringContaining(`${path} does not hold`) });
    expect(JSON.stringify(failure) + String(failure)).not.toMatch(/SECRET|MII|BEGIN/);
  }
});

test('a version that leads nowhere is told as damaged', async () => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await symlink('nowhere', join(folder, 'authority.1.json'));
  await expect(backend.read('demo')).rejects.toMatchObject({ code: 'invalid' });
});

test('a key store below a file is told with its path', async () => {
  await writeFile(store, 'a file');
  await expect(backend.read('demo')).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining(store),
    hint: expect.stringMatching(/directory/),
  });
  await expect(backend.write('demo', record, undefined)).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining(store),
  });
});

test('a fabric name cannot lead out of the key store', async () => {
  await expect(backend.read('../demo')).rejects.toMatchObject({ code: 'invalid' });
});

test('eight processes at once agree on one authority and lose no claim', async () => {
  const workers = Array.from({ length: 8 }, (_, index) =>
    spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'ensure-authority.ts'), store, `claim-${index}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  );
  await Promise.all(workers.map((worker) => once(worker.stdout, 'data')));
  const results = workers.map(async (worker) => {
    worker.stdin.end('go\n');
    return JSON.parse(await text(worker.stdout)) as { certificatePem: string; created: boolean; changed: boolean };
  });
  const settled = await Promise.all(results);
  expect(new Set(settled.map(({ certificatePem }) => certificatePem)).size).toBe(1);
  expect(settled.filter(({ created }) => created)).toHaveLength(1);
  expect(settled.every(({ changed }) => changed)).toBe(true);
  const final = await backend.read('demo');
  expect(Object.keys(final?.record.claims ?? {}).sort()).toEqual(Array.from({ length: 8 }, (_, index) => `claim-${index}`));
  expect((await new AuthorityStore(backend).load('demo')).certificatePem).toBe(settled[0]?.certificatePem);
}, 120_000);
