// Keys under a passphrase, in both kinds of key store.
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecordFormat, type AuthorityRecord } from '../../src/pki/authority-record';
import { AuthorityStore } from '../../src/pki/authority-store';
import { createFabricAuthority } from '../../src/pki/certificate';
import { FileBackend } from '../../src/pki/file-backend';
import { readPassphrase } from '../../src/pki/passphrase';
import { SecretBackend } from '../../src/pki/secret-backend';
import { KeySealer } from '../../src/pki/sealed-key';
import { FakeSecrets } from './fake-secrets';

const PASSPHRASE = 'correct horse battery';
const OTHER = 'another passphrase';
const KDF = { name: 'scrypt', n: 131_072, r: 8, p: 1 };

let directory: string;
let record: AuthorityRecord;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-sealed-'));
  record = { ...(await createFabricAuthority({ fabric: 'demo', keyBits: 2048 })), claims: { a: { run: '1' } } };
});
afterAll(() => rm(directory, { recursive: true }));

let store: string;
beforeEach(async () => {
  store = join(await mkdtemp(join(directory, 'case-')), 'keys');
});

const backend = (passphrase?: string): FileBackend => new FileBackend(store, new RecordFormat(passphrase));

async function written(): Promise<string> {
  const folder = join(store, 'demo');
  return (await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')))).join('');
}

test('a key is kept encrypted, with how its key is derived, and read with the passphrase', async () => {
  await backend(PASSPHRASE).write('demo', record, undefined);
  const text = await written();
  expect(text).not.toMatch(/PRIVATE KEY|keyPem/);
  expect(text).not.toContain(PASSPHRASE);
  expect(JSON.parse(text)).toEqual({
    certificatePem: record.certificatePem,
    claims: record.claims,
    sealedKey: {
      kdf: { name: 'scrypt', n: 131_072, r: 8, p: 1 },
      cipher: 'aes-256-gcm',
      salt: expect.any(String),
      nonce: expect.any(String),
      sealed: expect.any(String),
    },
  });
  expect(await backend(PASSPHRASE).read('demo')).toEqual({ record, version: '1' });
});

test('a record in plain is read with a passphrase too, and encrypted when it is written next', async () => {
  await backend().write('demo', record, undefined);
  const sealing = new AuthorityStore(backend(PASSPHRASE));
  expect((await sealing.load('demo')).keyPem).toBe(record.keyPem);
  expect(await written()).toContain('PRIVATE KEY');
  await sealing.ensure({ fabric: 'demo', claim: 'b', run: '2' });
  expect(await written()).not.toContain('PRIVATE KEY');
  expect((await backend(PASSPHRASE).read('demo'))?.record).toEqual({ ...record, claims: { a: { run: '1' }, b: { run: '2' } } });
});

test('every write has a nonce of its own', async () => {
  const sealer = new KeySealer(PASSPHRASE);
  const sealed = await Promise.all([1, 2, 3].map(() => sealer.seal('demo', record.keyPem)));
  expect(new Set(sealed.map(({ nonce }) => nonce)).size).toBe(3);
  expect(new Set(sealed.map((one) => one.sealed)).size).toBe(3);
});

test('a wrong passphrase says so, and a missing one says how to give it; neither is tried again', async () => {
  await backend(PASSPHRASE).write('demo', record, undefined);
  for (const [passphrase, message, hint] of [
    [OTHER, /the passphrase does not open the authority's key of fabric demo in .*authority\.1\.json/, /--key-passphrase-file/],
    [undefined, /is encrypted with a passphrase, and none was given/, /SKYFABRIC_KEY_PASSPHRASE_FILE/],
  ] as const) {
    const failing = new AuthorityStore(backend(passphrase));
    for (const act of [() => failing.load('demo'), () => failing.ensure({ fabric: 'demo', claim: 'b', run: '2' })]) {
      const failure: unknown = await act().catch((error: unknown) => error);
      expect(failure).toMatchObject({
        code: 'forbidden',
        retryable: false,
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
      });
      expect(JSON.stringify(failure) + String(failure)).not.toContain(OTHER);
    }
  }
  expect((await backend(PASSPHRASE).read('demo'))?.version).toBe('1');
});

test('a passphrase is set and changed, and the authority stays', async () => {
  await backend().write('demo', record, undefined);
  await new AuthorityStore(backend()).rewrite('demo', backend(PASSPHRASE));
  await new AuthorityStore(backend(PASSPHRASE)).rewrite('demo', backend(OTHER));
  await expect(backend(PASSPHRASE).read('demo')).rejects.toMatchObject({ code: 'forbidden' });
  expect(await backend(OTHER).read('demo')).toEqual({ record, version: '3' });
  await expect(new AuthorityStore(backend(OTHER)).rewrite('other', backend(OTHER))).rejects.toMatchObject({ code: 'not_found' });
});

test("a key moved to another fabric's record is refused", async () => {
  const format = new RecordFormat(PASSPHRASE);
  const text = await format.format('demo', record);
  await expect(format.parse('other', text, 'there')).rejects.toMatchObject({ code: 'forbidden' });
  expect(await format.parse('demo', text, 'there')).toEqual(record);
});

test.each([
  ['an unknown derivation', { kdf: { ...KDF, name: 'md5' } }],
  ['a derivation that would take all memory', { kdf: { ...KDF, n: 2 ** 30 } }],
  ['a derivation that is no power of two', { kdf: { ...KDF, n: 100_000 } }],
  ['no salt', { salt: '' }],
  ['a short nonce', { nonce: 'AAAA' }],
  ['a tag without a key', { sealed: Buffer.alloc(16).toString('base64') }],
])('a record with %s is damaged', async (_what, damage) => {
  const format = new RecordFormat(PASSPHRASE);
  const whole = JSON.parse(await format.format('demo', record)) as { readonly sealedKey: object };
  const damaged = { ...whole, sealedKey: { ...whole.sealedKey, ...damage } };
  await expect(format.parse('demo', JSON.stringify(damaged), 'there')).rejects.toMatchObject({ code: 'invalid' });
});

test('the Secrets of a cluster keep keys encrypted as well', async () => {
  const secrets = new FakeSecrets();
  const open = (passphrase?: string): AuthorityStore =>
    new AuthorityStore(new SecretBackend(secrets, 'keys', new RecordFormat(passphrase)));
  await open(PASSPHRASE).ensure({ fabric: 'demo', claim: 'a', run: '1', keyBits: 2048 });
  const secret = await secrets.get('keys', 'skyfabric-authority-demo');
  const text = Buffer.from(secret?.data['authority.json'] ?? '', 'base64').toString();
  expect(text).toContain('sealedKey');
  expect(text).not.toContain('PRIVATE KEY');
  expect((await open(PASSPHRASE).load('demo')).keyPem).toContain('PRIVATE KEY');
  await expect(open().load('demo')).rejects.toMatchObject({ code: 'forbidden' });
});

test('a passphrase is a private file of some length, and its last line end is not part of it', async () => {
  const file = `${store}.passphrase`;
  await writeFile(file, `${PASSPHRASE}\n`, { mode: 0o600 });
  expect(await readPassphrase(file)).toBe(PASSPHRASE);
  await chmod(file, 0o644);
  await expect(readPassphrase(file)).rejects.toMatchObject({ code: 'forbidden' });
  await chmod(file, 0o600);
  const invalid = { code: 'invalid', hint: expect.stringContaining('openssl rand') };
  for (const text of ['short\n', ' '.repeat(20), Buffer.alloc(32, 0xfe)]) {
    await writeFile(file, text);
    await expect(readPassphrase(file)).rejects.toMatchObject(invalid);
  }
});
