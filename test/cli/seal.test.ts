// `skyfabric seal` on a key store in a directory, and workers' passphrases.
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecordFormat } from '../../src/pki/authority-record';
import { AuthorityStore } from '../../src/pki/authority-store';
import { FileBackend } from '../../src/pki/file-backend';
import { runCli } from './run-cli';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-seal-'));
  await Promise.all([
    writeFile(join(directory, 'one'), 'the first passphrase\n', { mode: 0o600 }),
    writeFile(join(directory, 'two'), 'the second passphrase\n', { mode: 0o600 }),
    writeFile(join(directory, 'open'), 'the third passphrase\n', { mode: 0o600 }).then(() => chmod(join(directory, 'open'), 0o644)),
  ]);
});
afterAll(() => rm(directory, { recursive: true }));

const seal = (...args: readonly string[]) => runCli(['seal', '--key-store', 'file:keys', ...args], { cwd: directory });

test('a key in plain is encrypted now, its passphrase is changed, and what goes wrong is told', async () => {
  const store = new AuthorityStore(new FileBackend(join(directory, 'keys')));
  const { certificatePem } = await store.ensure({ fabric: 'default', claim: 'a', run: '1', keyBits: 2048 });
  const { keyPem } = await store.load('default');
  const outputs = [await seal('--key-passphrase-file', 'one'), await seal('--key-passphrase-file', 'one', '--new-passphrase-file', 'two')];
  expect(outputs.map(({ code, stderr }) => [code, stderr])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  expect(outputs[1]?.stdout).toBe(
    `The authority's key of fabric default in file:keys is encrypted with the passphrase in ${join(directory, 'two')}.\n`,
  );
  const folder = join(directory, 'keys', 'default');
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')));
  expect(texts.join('')).not.toContain('PRIVATE KEY');
  const sealed = new AuthorityStore(new FileBackend(join(directory, 'keys'), new RecordFormat('the second passphrase')));
  expect(await sealed.load('default')).toEqual({ certificatePem, keyPem });

  for (const [args, code, text] of [
    [['--key-passphrase-file', 'one'], 1, 'the passphrase does not open'],
    [['--new-passphrase-file', 'one'], 1, 'is encrypted with a passphrase, and none was given'],
    [['--key-passphrase-file', 'open'], 1, 'is open to others (mode 644)'],
    [['--key-passphrase-file', 'none'], 1, 'ENOENT'],
    [['--key-passphrase-file', 'two', '--fabric', 'other'], 1, 'Fabric other has no authority'],
    [[], 2, '--key-passphrase-file or --new-passphrase-file is missing'],
  ] as const) {
    const run = await seal(...args);
    expect(run).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(text) });
    expect(run.stderr).not.toMatch(/the (first|second|third) passphrase/);
  }
  expect((await sealed.load('default')).keyPem).toBe(keyPem);
});

test('a worker does not start with a passphrase file that others may read', async () => {
  const run = await runCli(['worker', '--key-passphrase-file', 'open', '--address', '127.0.0.1:1'], { cwd: directory });
  expect(run).toMatchObject({ code: 1, stderr: expect.stringContaining('is open to others') });
});
