import type { KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { isFabricError } from '../../src/errors/fabric-error';
import { createFabricAuthority, signPeerRequest, type KeyedCertificate } from '../../src/pki/certificate';
import { generateRsaKeyPem, publicKeyFingerprint, readPrivateKey } from '../../src/pki/key-pair';
import { readPeerRequest } from '../../src/pki/peer-request';
import { issueRequest } from '../../src/pki/x509';
import { OpenSsl } from './openssl';

const allowed = { peer: 'west', minKeyBits: 2048 };

let openssl: OpenSsl;
let keyPem: string;
let authority: KeyedCertificate;

beforeAll(async () => {
  openssl = await OpenSsl.start();
  [keyPem, authority] = await Promise.all([generateRsaKeyPem(2048), createFabricAuthority({ fabric: 'demo', keyBits: 2048 })]);
});
afterAll(() => openssl.close());

function expectRefusal(requestPem: string, reason: RegExp): Promise<void> {
  return expect(readPeerRequest(requestPem, allowed)).rejects.toMatchObject({
    code: 'invalid',
    peer: 'west',
    message: expect.stringMatching(reason),
  });
}

test.each([
  ['another name', '/CN=east', [], /subject is not just CN=west/],
  ['a second name', '/CN=west/CN=east', [], /subject is not just CN=west/],
  ['an organisation', '/O=system:masters/CN=west', [], /subject is not just CN=west/],
  ['a name that only begins alike', '/CN=west.example', [], /subject is not just CN=west/],
  ['another DNS name', '/CN=west', ['subjectAltName=DNS:east'], /names other than the DNS name west/],
  ['a second DNS name', '/CN=west', ['subjectAltName=DNS:west,DNS:east'], /names other than the DNS name west/],
  ['a wildcard', '/CN=west', ['subjectAltName=DNS:*'], /names other than the DNS name west/],
  ['an address', '/CN=west', ['subjectAltName=DNS:west,IP:10.0.0.1'], /names other than the DNS name west/],
  ['a URI', '/CN=west', ['subjectAltName=URI:west'], /names other than the DNS name west/],
  ['another kind of name', '/CN=west', ['subjectAltName=otherName:1.2.3.4;UTF8:west'], /names other than the DNS name west/],
  ['to be an authority', '/CN=west', ['basicConstraints=critical,CA:TRUE'], /powers of an authority/],
  ['to sign certificates', '/CN=west', ['keyUsage=critical,keyCertSign'], /powers of an authority/],
])('a request for %s is refused', async (_what, subject, extensions, reason) => {
  await expectRefusal(await openssl.request({ keyPem, subject, extensions }), reason);
});

test('every reason for a refusal is told at once', async () => {
  const requestPem = await openssl.request({
    keyPem,
    subject: '/CN=east',
    extensions: ['subjectAltName=DNS:east', 'basicConstraints=CA:TRUE'],
  });
  await expectRefusal(requestPem, /subject .*; .*names other .*; .*powers/);
});

test.each([
  ['a 1024-bit key', 'RSA', ['rsa_keygen_bits:1024'], /has 1024 bits, not 2048–8192/],
  ['an exponent of 3', 'RSA', ['rsa_keygen_bits:2048', 'rsa_keygen_pubexp:3'], /public exponent is not 65537/],
  ['an elliptic curve key', 'EC', ['ec_paramgen_curve:P-256'], /RSA key/],
])('a request with %s is refused', async (_what, algorithm, parameters, reason) => {
  const other = await openssl.key(algorithm, ...parameters);
  await expectRefusal(await openssl.request({ keyPem: other, subject: '/CN=west' }), reason);
});

test('a request with a larger key than is allowed is refused', async () => {
  const requestPem = await issueRequest('west', readPrivateKey(keyPem));
  await expect(readPeerRequest(requestPem, { peer: 'west', minKeyBits: 1024, maxKeyBits: 1024 })).rejects.toMatchObject({
    code: 'invalid',
  });
});

test('a request signed with another digest is refused', async () => {
  await expectRefusal(await openssl.request({ keyPem, subject: '/CN=west', digest: 'sha1' }), /not signed with sha256WithRSAEncryption/);
});

test('a request that somebody else signed is refused', async () => {
  const [mine, theirs] = await Promise.all([
    issueRequest('west', readPrivateKey(keyPem)),
    issueRequest('west', readPrivateKey(authority.keyPem)),
  ]);
  // Same shape and length, so that my request can be given their signature.
  const body = (pem: string) => Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64');
  const swapped = Buffer.concat([body(mine).subarray(0, -256), body(theirs).subarray(-256)]);
  await expectRefusal(toPem(swapped), /signature is not by the key/);
});

test.each([
  ['nothing', ''],
  ['text', 'hello'],
  ['an empty request', toPem(Buffer.alloc(0))],
  ['a request of zeros', toPem(Buffer.alloc(500))],
  ['a very deep structure', toPem(Buffer.alloc(4000, Buffer.from([0x30, 0x80])))],
  ['a very long text', `-----BEGIN CERTIFICATE REQUEST-----\n${'A'.repeat(10_000_000)}`],
])('%s instead of a request is refused', async (_what, requestPem) => {
  await expectRefusal(requestPem, /not a PKCS#10 request/);
});

test('a certificate instead of a request is refused', async () => {
  await expectRefusal(authority.certificatePem, /not a PKCS#10 request/);
});

test('a request of another tool is accepted, and only the names it may have reach the certificate', async () => {
  const extensions = [
    'extendedKeyUsage=codeSigning',
    'keyUsage=dataEncipherment',
    'nsComment=hello',
    'subjectAltName=DNS:west',
    '1.2.3.4=ASN1:UTF8:hello',
  ];
  const requestPem = await openssl.request({ keyPem, subject: '/CN=west', extensions });
  const { certificatePem } = await signPeerRequest({ authority, requestPem, allowed });
  const text = await openssl.text(certificatePem);
  expect(text).not.toMatch(/Code Signing|Data Encipherment|hello|1\.2\.3\.4/);
  expect(text).toMatch(/Digital Signature, Key Encipherment\n/);
  expect(await openssl.verifies(certificatePem, authority.certificatePem, 'sslclient')).toBe(true);
});

test('a request wins a certificate for its name if that is the allowed one, and for no other', async () => {
  const key = readPrivateKey(keyPem);
  const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?$/);
  await fc.assert(
    fc.asyncProperty(name, fc.oneof(name, fc.constant(undefined)), async (asked, other) => {
      const peer = other ?? asked;
      const accepted = await readPeerRequest(await issueRequest(asked, key), { peer, minKeyBits: 2048 }).then(
        () => true,
        (error: unknown) => !isFabricError(error, 'invalid'),
      );
      expect(accepted).toBe(asked === peer);
    }),
    { numRuns: 60 },
  );
});

test('no change of a byte wins a certificate for another key', async () => {
  const requestPem = await issueRequest('west', readPrivateKey(keyPem));
  const der = Buffer.from(requestPem.replace(/-----.*-----/g, ''), 'base64');
  const own = publicKeyFingerprint(keyPem);
  await fc.assert(
    fc.asyncProperty(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const tampered = Buffer.from(der);
      tampered.writeUInt8(tampered.readUInt8(at) ^ change, at);
      const outcome = await readPeerRequest(toPem(tampered), allowed).catch((error: unknown) => error);
      if (isFabricError(outcome, 'invalid')) return;
      // What is not covered by the signature (as the parameters of its algorithm) may change; the key may not.
      expect(publicKeyFingerprint((outcome as KeyObject).export({ type: 'spki', format: 'pem' }).toString())).toBe(own);
    }),
    { numRuns: 400 },
  );
});

function toPem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}
