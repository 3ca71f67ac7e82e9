import { createPublicKey } from 'node:crypto';
import { createFabricAuthority, type KeyedCertificate } from '../../src/pki/certificate';
import { generateRsaKeyPem, keyMatchesCertificate, publicKeyFingerprint, readPrivateKey } from '../../src/pki/key-pair';

let authority: KeyedCertificate;
beforeAll(async () => {
  authority = await createFabricAuthority({ fabric: 'demo', keyBits: 2048 });
});

test('a key is PKCS#8 with the size that was asked for', async () => {
  const pem = await generateRsaKeyPem(3072);
  expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  expect(readPrivateKey(pem).asymmetricKeyDetails).toMatchObject({ modulusLength: 3072, publicExponent: 65537n });
});

test('a key matches its own certificate only', async () => {
  expect(keyMatchesCertificate(authority.keyPem, authority.certificatePem)).toBe(true);
  expect(keyMatchesCertificate(await generateRsaKeyPem(2048), authority.certificatePem)).toBe(false);
  expect(keyMatchesCertificate('no key', authority.certificatePem)).toBe(false);
  expect(keyMatchesCertificate(authority.keyPem, 'no certificate')).toBe(false);
});

test('a private key, its public key and its certificate have one fingerprint', () => {
  const publicPem = createPublicKey(authority.keyPem).export({ type: 'spki', format: 'pem' }).toString();
  const fingerprint = publicKeyFingerprint(authority.keyPem);
  expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
  expect(publicKeyFingerprint(publicPem)).toBe(fingerprint);
  expect(publicKeyFingerprint(authority.certificatePem)).toBe(fingerprint);
});

test.each([
  ['a private key', readPrivateKey],
  ['a public key', publicKeyFingerprint],
])('the failure to read %s does not repeat what was read', (_what, read) => {
  const damaged = authority.keyPem.replace(/\n.{20}/, '\n!SECRET!');
  expect.assertions(3);
  try {
    read(damaged);
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid' });
    expect(String(error)).not.toMatch(/SECRET/);
    expect((error as Error).cause).toBeUndefined();
  }
});
