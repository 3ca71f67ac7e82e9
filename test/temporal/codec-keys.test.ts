import { inspect } from 'node:util';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCodecKeys, withCurrentKey, withNewKey, withoutKey, writeCodecKeys } from '../../src/temporal/codec-keys';

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-codec-'));
  file = join(directory, 'codec.json');
});
afterEach(() => rm(directory, { recursive: true }));

test('keys are made, added, used and removed, and the file is private', async () => {
  const first = withNewKey(undefined, file);
  const second = withNewKey(first, file);
  expect([first.current, second.current, [...second.keys.keys()]]).toEqual(['k1', 'k1', ['k1', 'k2']]);
  const used = withCurrentKey(withNewKey(second, file, '2025-06'), 'k2');
  await writeCodecKeys(withoutKey(used, 'k1'));
  const read = await readCodecKeys(file);
  expect([read.current, [...read.keys.keys()]]).toEqual(['k2', ['k2', '2025-06']]);
  expect(read.keys.get('k2')?.equals(second.keys.get('k2')!)).toBe(true);
  expect(new Set([...second.keys.values()].map((key) => key.export().toString('hex'))).size).toBe(2);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect([...withNewKey(read, file).keys.keys()]).toContain('k3');
});

test('keys show neither in JSON nor in a log', () => {
  const keys = withNewKey(undefined, file);
  const bytes = keys.keys.get('k1')!.export();
  const shown = JSON.stringify(keys) + JSON.stringify([...keys.keys]) + inspect(keys, { depth: 9, showHidden: true });
  for (const encoding of ['hex', 'base64', 'latin1'] as const) expect(shown).not.toContain(bytes.toString(encoding));
});

test.each([
  ['conflict', () => withNewKey(withNewKey(undefined, file), file, 'k1')],
  ['invalid', () => withNewKey(undefined, file, '../x')],
  ['not_found', () => withCurrentKey(withNewKey(undefined, file), 'k9')],
  ['not_found', () => withoutKey(withNewKey(undefined, file), 'k9')],
  ['in_use', () => withoutKey(withNewKey(undefined, file), 'k1')],
])('what cannot be done to keys is %s', (code, act) => {
  expect(act).toThrow(expect.objectContaining({ code }));
});

const KEY = Buffer.alloc(32, 7).toString('base64');

test.each([
  ['no JSON', 'SECRET'],
  ['another shape', JSON.stringify({ current: 'a', keys: { a: KEY }, more: 'SECRET' })],
  ['a short key', JSON.stringify({ current: 'a', keys: { a: Buffer.alloc(16, 7).toString('base64') } })],
  ['an id that cannot be', JSON.stringify({ current: 'a', keys: { a: KEY, 'b c': KEY } })],
  ['two keys of one id', `{"current":"a","keys":{"a":"${KEY}","a":"${KEY}"}}`],
  ['no current key', JSON.stringify({ current: 'b', keys: { a: KEY } })],
])('a file with %s is told by its path, without its content', async (_what, text) => {
  await writeFile(file, text, { mode: 0o600 });
  const failure: unknown = await readCodecKeys(file).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'invalid', object: file, message: expect.stringContaining(file) });
  expect(JSON.stringify(failure) + String(failure)).not.toMatch(/SECRET|BwcH/);
});

test('a file that others may read is refused', async () => {
  await writeFile(file, JSON.stringify({ current: 'a', keys: { a: KEY } }), { mode: 0o644 });
  await expect(readCodecKeys(file)).rejects.toMatchObject({ code: 'forbidden', hint: expect.stringContaining('chmod 600') });
  expect(await readFile(file, 'utf8')).toContain(KEY);
});
