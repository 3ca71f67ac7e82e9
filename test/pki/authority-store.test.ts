import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { RecordFormat } from '../../src/pki/authority-record';
import { AuthorityStore, type AuthorityBackend } from '../../src/pki/authority-store';
import { createFabricAuthority, type KeyedCertificate } from '../../src/pki/certificate';
import { FileBackend } from '../../src/pki/file-backend';
import { keyMatchesCertificate } from '../../src/pki/key-pair';
import { SecretBackend } from '../../src/pki/secret-backend';
import { FakeSecrets } from './fake-secrets';

let directory: string;
let prepared: KeyedCertificate[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-store-'));
  prepared = await Promise.all([1, 2, 3].map(() => createFabricAuthority({ fabric: 'demo', keyBits: 2048 })));
});
afterAll(() => rm(directory, { recursive: true }));

describe.each([
  ['file:', async (): Promise<AuthorityBackend> => new FileBackend(join(await mkdtemp(join(directory, 'keys-')), 'new'))],
  ['kubernetes:', async (): Promise<AuthorityBackend> => new SecretBackend(new FakeSecrets(), 'skyfabric')],
])('in a %s key store', (_kind, newBackend) => {
  /** Stores over one backend, which hand out prepared authorities in turn: making RSA keys takes its time. */
  async function newStore(): Promise<AuthorityStore> {
    let made = 0;
    return new AuthorityStore(await newBackend(), async () => {
      made += 1;
      const authority = prepared[made % prepared.length];
      if (authority === undefined) throw new Error('no authority was prepared');
      return authority;
    });
  }

  test('the first claim makes the authority, later ones share it, and the last one takes it away', async () => {
    const store = await newStore();
    const first = await store.ensure({ fabric: 'demo', claim: 'a', run: '1' });
    expect(first).toMatchObject({ created: true, changed: true });
    expect(await store.ensure({ fabric: 'demo', claim: 'b', run: '2' })).toEqual({
      certificatePem: first.certificatePem,
      created: false,
      changed: true,
    });
    expect(await store.ensure({ fabric: 'demo', claim: 'b', run: '3' })).toEqual({
      certificatePem: first.certificatePem,
      created: false,
      changed: false,
    });
    const loaded = await store.load('demo');
    expect(loaded.certificatePem).toBe(first.certificatePem);
    expect(keyMatchesCertificate(loaded.keyPem, loaded.certificatePem)).toBe(true);

    expect(await store.release({ fabric: 'demo', claim: 'a' })).toEqual({ changed: true, removed: false });
    expect(await store.release({ fabric: 'demo', claim: 'a' })).toEqual({ changed: false, removed: false });
    expect((await store.load('demo')).certificatePem).toBe(first.certificatePem);
    expect(await store.release({ fabric: 'demo', claim: 'b' })).toEqual({ changed: true, removed: true });
    await expect(store.load('demo')).rejects.toMatchObject({ code: 'not_found', hint: expect.stringMatching(/Bootstrap/) });
  });

  test('an authority that was taken away is made anew', async () => {
    const store = await newStore();
    const first = await store.ensure({ fabric: 'demo', claim: 'a', run: '1' });
    await store.release({ fabric: 'demo', claim: 'a' });
    const second = await store.ensure({ fabric: 'demo', claim: 'a', run: '2' });
    expect(second.created).toBe(true);
    expect(second.certificatePem).not.toBe(first.certificatePem);
  });

  test('a run that rolls back releases only the claims that it added', async () => {
    const store = await newStore();
    await store.ensure({ fabric: 'demo', claim: 'a', run: 'earlier' });
    await store.ensure({ fabric: 'demo', claim: 'a', run: 'later' });
    expect(await store.release({ fabric: 'demo', claim: 'a', run: 'later' })).toEqual({ changed: false, removed: false });
    expect(await store.release({ fabric: 'demo', claim: 'a', run: 'earlier' })).toEqual({ changed: true, removed: true });
  });

  test('releasing what never was changes nothing', async () => {
    const store = await newStore();
    expect(await store.release({ fabric: 'demo', claim: 'a' })).toEqual({ changed: false, removed: false });
    await store.ensure({ fabric: 'demo', claim: 'a', run: '1' });
    expect(await store.release({ fabric: 'demo', claim: 'constructor' })).toEqual({ changed: false, removed: false });
  });

  test('fabrics do not touch each other', async () => {
    const store = await newStore();
    const [one, two] = [
      await store.ensure({ fabric: 'one', claim: 'a', run: '1' }),
      await store.ensure({ fabric: 'two', claim: 'a', run: '1' }),
    ];
    await store.release({ fabric: 'one', claim: 'a' });
    expect((await store.load('two')).certificatePem).toBe(two.certificatePem);
    expect(one.certificatePem).not.toBe(two.certificatePem);
  });

  test('twenty writers at once agree on one authority, lose no claim, and let it go with the last', async () => {
    const store = await newStore();
    const writers = Array.from({ length: 20 }, (_, index) => ({ fabric: 'demo', claim: `claim-${index}`, run: `run-${index}` }));
    const results = await Promise.all(writers.map((writer) => store.ensure(writer)));
    expect(new Set(results.map(({ certificatePem }) => certificatePem)).size).toBe(1);
    expect(results.filter(({ created }) => created)).toHaveLength(1);
    expect(results.every(({ changed }) => changed)).toBe(true);

    const releases = await Promise.all(writers.map(({ fabric, claim, run }) => store.release({ fabric, claim, run })));
    expect(releases.every(({ changed }) => changed)).toBe(true);
    expect(releases.filter(({ removed }) => removed)).toHaveLength(1);
  });

  test('a release that names no claim takes them all, and the authority with them', async () => {
    const store = await newStore();
    await store.ensure({ fabric: 'demo', claim: 'a', run: '1' });
    await store.ensure({ fabric: 'demo', claim: 'b', run: '2' });
    expect(await store.release({ fabric: 'demo' })).toEqual({ changed: true, removed: true });
    expect(await store.release({ fabric: 'demo' })).toEqual({ changed: false, removed: false });
    await expect(store.load('demo')).rejects.toMatchObject({ code: 'not_found' });
  });

  test.each(['../demo', 'a/b', '', 'Demo'])('a fabric named %j is refused before anything is touched', async (fabric) => {
    const store = await newStore();
    const refusal = expect.objectContaining({ code: 'invalid' });
    await expect(store.ensure({ fabric, claim: 'a', run: '1' })).rejects.toEqual(refusal);
    await expect(store.load(fabric)).rejects.toEqual(refusal);
    await expect(store.release({ fabric, claim: 'a' })).rejects.toEqual(refusal);
  });

  test('any order of claims and releases leaves what the claims say', async () => {
    const claim = fc.constantFrom('a', 'b', 'c');
    const run = fc.constantFrom('1', '2');
    const step = fc.oneof(
      fc.record({ act: fc.constant('ensure' as const), claim, run }),
      fc.record({ act: fc.constant('release' as const), claim, run: fc.option(run, { nil: undefined }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const store = await newStore();
        const held = new Map<string, string>();
        for (const { act, claim: id, run: by } of steps) {
          if (act === 'ensure') {
            const { created, changed } = await store.ensure({ fabric: 'demo', claim: id, run: by });
            expect({ created, changed }).toEqual({ created: held.size === 0, changed: !held.has(id) });
            if (!held.has(id)) held.set(id, by);
          } else {
            const released = held.has(id) && (by === undefined || held.get(id) === by);
            if (released) held.delete(id);
            const result = await store.release({ fabric: 'demo', claim: id, ...(by !== undefined && { run: by }) });
            expect(result).toEqual({ changed: released, removed: released && held.size === 0 });
          }
        }
        const exists = await store.load('demo').then(
          () => true,
          () => false,
        );
        expect(exists).toBe(held.size > 0);
      }),
      { numRuns: 40 },
    );
  }, 120_000);
});

describe.each([
  [
    'file:',
    async () => {
      const place = join(await mkdtemp(join(directory, 'keys-')), 'new');
      return (format?: RecordFormat): AuthorityBackend => new FileBackend(place, format);
    },
  ],
  [
    'kubernetes:',
    async () => {
      const secrets = new FakeSecrets();
      return (format?: RecordFormat): AuthorityBackend => new SecretBackend(secrets, 'skyfabric', format);
    },
  ],
])('in a %s key store whose keys cannot be opened', (_kind, newPlace) => {
  test('claims are let go, the key stays as it is kept, and goes with the last of them', async () => {
    const place = await newPlace();
    const sealing = new AuthorityStore(place(new RecordFormat('correct horse battery')), async () => prepared[0] as KeyedCertificate);
    await sealing.ensure({ fabric: 'demo', claim: 'a', run: '1' });
    await sealing.ensure({ fabric: 'demo', claim: 'b', run: '2' });
    for (const format of [undefined, new RecordFormat('another passphrase')]) {
      const store = new AuthorityStore(place(format));
      await expect(store.load('demo')).rejects.toMatchObject({ code: 'forbidden' });
      expect(await store.release({ fabric: 'demo', claim: 'a', run: 'other' })).toEqual({ changed: false, removed: false });
      expect(await store.release({ fabric: 'demo', claim: format === undefined ? 'a' : 'c', run: '1' })).toEqual({
        changed: format === undefined,
        removed: false,
      });
      expect(await sealing.load('demo')).toEqual(prepared[0]);
    }
    expect(await new AuthorityStore(place()).release({ fabric: 'demo', claim: 'b', run: '2' })).toEqual({ changed: true, removed: true });
    await expect(sealing.load('demo')).rejects.toMatchObject({ code: 'not_found' });
  });

  test('a damaged record tells no claims, and goes only as a whole', async () => {
    const place = await newPlace();
    const damaging = Object.assign(new RecordFormat(), { format: async () => '{"certificatePem":' });
    await place(damaging).write('demo', { certificatePem: '', keyPem: '', claims: {} }, undefined);
    const store = new AuthorityStore(place());
    await expect(store.release({ fabric: 'demo', claim: 'a', run: '1' })).rejects.toMatchObject({ code: 'invalid' });
    await expect(store.release({ fabric: 'demo', claim: 'a' })).rejects.toMatchObject({ code: 'invalid' });
    expect(await store.release({ fabric: 'demo' })).toEqual({ changed: true, removed: true });
    expect(await store.release({ fabric: 'demo' })).toEqual({ changed: false, removed: false });
  });
});

test('a store in which others are first every time is given up as unavailable', async () => {
  const refusing: AuthorityBackend = {
    description: 'a store that refuses',
    read: async () => undefined,
    find: async () => undefined,
    write: async () => false,
    remove: async () => false,
  };
  const store = new AuthorityStore(refusing, async () => ({ certificatePem: '', keyPem: '' }));
  await expect(store.ensure({ fabric: 'demo', claim: 'a', run: '1' })).rejects.toMatchObject({ code: 'unavailable' });
});

test('what may not be written is not, neither an authority nor its removal', async () => {
  const store = new AuthorityStore(new SecretBackend(new FakeSecrets(), 'skyfabric'), async () => prepared[0] as KeyedCertificate);
  const mayWrite = (): Promise<void> => Promise.reject(new Error('not yours'));
  const claim = { fabric: 'demo', claim: 'a', run: '1' };
  await expect(store.ensure({ ...claim, mayWrite })).rejects.toThrow('not yours');
  await expect(store.load('demo')).rejects.toMatchObject({ code: 'not_found' });
  await store.ensure(claim);
  await expect(store.release({ ...claim, mayWrite })).rejects.toThrow('not yours');
  expect(await store.release(claim)).toEqual({ changed: true, removed: true });
});
