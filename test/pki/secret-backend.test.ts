import { AuthorityStore } from '../../src/pki/authority-store';
import { createFabricAuthority } from '../../src/pki/certificate';
import { SecretBackend } from '../../src/pki/secret-backend';
import { FakeSecrets } from './fake-secrets';

const KEY = 'skyfabric/skyfabric-authority-demo';

async function newStore() {
  const secrets = new FakeSecrets();
  const store = new AuthorityStore(new SecretBackend(secrets, 'skyfabric'), (options) =>
    createFabricAuthority({ ...options, keyBits: 2048 }),
  );
  await store.ensure({ fabric: 'demo', claim: 'a', run: '1' });
  const secret = secrets.secrets.get(KEY);
  if (secret === undefined) throw new Error('no Secret was written');
  return { secrets, store, secret };
}

test('an authority is one labelled Secret that goes with the last claim', async () => {
  const { secrets, store, secret } = await newStore();
  expect([...secrets.secrets.keys()]).toEqual([KEY]);
  expect(secret.labels).toEqual({ 'app.kubernetes.io/managed-by': 'skyfabric', 'skyfabric.io/fabric': 'demo' });
  expect(Object.keys(secret.data)).toEqual(['authority.json']);
  await store.release({ fabric: 'demo', claim: 'a' });
  expect(secrets.secrets.size).toBe(0);
});

test.each([
  ['without our labels', {}],
  ['of another fabric', { 'app.kubernetes.io/managed-by': 'skyfabric', 'skyfabric.io/fabric': 'other' }],
])('a Secret %s is a conflict and is left alone', async (_what, labels) => {
  const { secrets, store, secret } = await newStore();
  const foreign = { ...secret, labels };
  secrets.secrets.set(KEY, foreign);
  const conflict = expect.objectContaining({ code: 'conflict', object: 'Secret skyfabric/skyfabric-authority-demo' });
  await expect(store.ensure({ fabric: 'demo', claim: 'b', run: '2' })).rejects.toEqual(conflict);
  await expect(store.load('demo')).rejects.toEqual(conflict);
  await expect(store.release({ fabric: 'demo', claim: 'a' })).rejects.toEqual(conflict);
  expect(secrets.secrets.get(KEY)).toBe(foreign);
});

test('a damaged Secret is told by name, without its content', async () => {
  const { secrets, store, secret } = await newStore();
  const text = Buffer.from(secret.data['authority.json'] ?? '', 'base64').toString();
  for (const damaged of [undefined, '', 'SECRET', text.slice(0, -9), text.replace(/MI.{20}/, 'SECRET'), '{"removed":true}']) {
    const data: Record<string, string> = damaged === undefined ? {} : { 'authority.json': Buffer.from(damaged).toString('base64') };
    secrets.secrets.set(KEY, { ...secret, data });
    const failure: unknown = await store.load('demo').catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/^Secret skyfabric\/skyfabric-authority-demo does not hold/),
    });
    expect(JSON.stringify(failure) + String(failure)).not.toMatch(/SECRET|MII|BEGIN/);
  }
});

test('the namespace must be a Kubernetes name', () => {
  expect(() => new SecretBackend(new FakeSecrets(), '../x')).toThrow(expect.objectContaining({ code: 'invalid' }));
});
