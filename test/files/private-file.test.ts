import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPrivateFile, writePrivateFile } from '../../src/files/private-file';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-private-'));
  path = join(directory, 'secret');
});
afterEach(() => rm(directory, { recursive: true }));

const PURPOSE = { holds: 'a secret', otherwise: 'make a new one.' };
const read = (file = path): Promise<string> => readPrivateFile(file, '--file', PURPOSE);

test('what is written is read back, for its owner only, whatever the umask', async () => {
  const umask = process.umask(0);
  try {
    await writePrivateFile(path, 'one');
    await writePrivateFile(path, 'two');
  } finally {
    process.umask(umask);
  }
  expect(await read()).toBe('two');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(directory)).toEqual(['secret']);
});

test.each([0o640, 0o604, 0o660, 0o610])('a file of mode %o is refused, also behind a link, and nothing of it is told', async (mode) => {
  await writeFile(path, 'THE SECRET');
  await chmod(path, mode);
  const link = join(directory, 'link');
  await symlink(path, link);
  for (const name of [path, link]) {
    const failure: unknown = await read(name).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'forbidden', object: name, hint: expect.stringContaining(`chmod 600 ${name}`) });
    expect(JSON.stringify(failure) + String(failure)).not.toContain('THE SECRET');
  }
});

test('what is no such file is told with its path', async () => {
  await expect(read()).rejects.toMatchObject({ code: 'not_found', message: `--file cannot be read: ${path}: ENOENT` });
  await chmod(directory, 0o700);
  await expect(read(directory)).rejects.toMatchObject({ code: 'invalid' });
  await writeFile(path, Buffer.alloc(2 * 1024 * 1024), { mode: 0o600 });
  await expect(read()).rejects.toMatchObject({ code: 'invalid', hint: expect.stringContaining('1 MiB') });
});

test('a directory that others may read is no file, and its mode is left alone', async () => {
  await chmod(directory, 0o755);
  await expect(read(directory)).rejects.toMatchObject({ code: 'invalid', hint: expect.not.stringContaining('chmod') });
});

test('a named pipe that nobody writes to is refused at once', async () => {
  execFileSync('mkfifo', ['-m', '600', path]);
  await expect(read()).rejects.toMatchObject({ code: 'invalid', message: `--file cannot be read: ${path}: it is no file` });
});

test('behind a link, what it leads to is replaced', async () => {
  await writePrivateFile(path, 'one');
  const link = join(directory, 'link');
  await symlink(path, link);
  await writePrivateFile(link, 'two');
  expect(await read()).toBe('two');
  expect(await read(link)).toBe('two');
});

test('a write that cannot be finished leaves the earlier file, and nothing beside it', async () => {
  await writePrivateFile(path, 'one');
  await expect(writePrivateFile(join(path, 'below'), 'two')).rejects.toMatchObject({ code: 'invalid' });
  await expect(writePrivateFile(join(directory, 'none', 'x'), 'two')).rejects.toMatchObject({ code: 'not_found' });
  expect(await readFile(path, 'utf8')).toBe('one');
  expect(await readdir(directory)).toEqual(['secret']);
});
