import { generateRsaKeyPem } from '../../src/pki/key-pair';
import { findSecretIn } from './secrets';

test('a private key is found, as text, as bytes, in base64 at every alignment, and without its frame', async () => {
  const key = await generateRsaKeyPem(2048);
  expect(findSecretIn({ deep: [{ data: key }] })).toBe('a private key');
  expect(findSecretIn({ payload: Buffer.from(JSON.stringify({ key })) })).toBe('a private key');
  for (const before of ['', 'x', 'xy']) {
    expect(findSecretIn(Buffer.from(before + key).toString('base64'))).toBeDefined();
  }
  expect(findSecretIn(key.replace(/-----[^-]+-----/g, ''))).toBeDefined();
});

test('a certificate, a request and a name are no secrets', () => {
  expect(
    findSecretIn({
      pem: '-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----',
      kubeconfig: '/home/me/.kube/config',
      name: 'west',
    }),
  ).toBeUndefined();
});
