// Certificate requests from an enemy who can write any ASN.1: what is signed takes nothing from them but the public key.
import { X509Certificate, createPublicKey } from 'node:crypto';
import fc from 'fast-check';
import { asn1, pki } from 'node-forge';
import { createFabricAuthority, signPeerRequest, type KeyedCertificate } from '../../src/pki/certificate';
import { findPeerCertificateProblem, inspectCertificate } from '../../src/pki/certificate-facts';
import { generateRsaKeyPem, keyMatchesCertificate, publicKeyFingerprint, readPrivateKey } from '../../src/pki/key-pair';
import { issueRequest, SHA256_WITH_RSA, signToPem, toDer } from '../../src/pki/x509';
import { expectTellable, hostileText } from '../support/hostile';

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const allowed = { peer: 'west', minKeyBits: 2048 };

let keyPem: string;
let authority: KeyedCertificate;

beforeAll(async () => {
  [keyPem, authority] = await Promise.all([generateRsaKeyPem(2048), createFabricAuthority({ fabric: 'demo', keyBits: 2048 })]);
});

/** Signs, or returns the refusal. */
async function outcome(requestPem: string): Promise<string | undefined> {
  try {
    return (await signPeerRequest({ authority, requestPem, allowed })).certificatePem;
  } catch (error) {
    expectTellable(error);
    expect(error.code).toBe('invalid');
    return undefined;
  }
}

/** What a certificate of peer west holds, whoever asked for it; all but its key, its times and its number. */
function expectOnlyWest(certificatePem: string): void {
  const certificate = new X509Certificate(certificatePem);
  expect(certificate.subject).toBe('CN=west');
  expect(certificate.subjectAltName).toBe('DNS:west');
  expect(certificate.ca).toBe(false);
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  expect(certificate.checkIssued(new X509Certificate(authority.certificatePem))).toBe(true);
  const { extensions } = pki.certificateFromPem(certificatePem.slice(0, certificatePem.indexOf('-----END') + 25)) as unknown as {
    extensions: { name: string }[];
  };
  expect(extensions.map(({ name }) => name).sort()).toEqual(
    ['authorityKeyIdentifier', 'basicConstraints', 'extKeyUsage', 'keyUsage', 'subjectAltName', 'subjectKeyIdentifier'].sort(),
  );
}

interface Wish {
  readonly subject: readonly { readonly shortName?: string; readonly type?: string; readonly value: string }[];
  readonly extensions: readonly object[];
}

/** A request as node-forge makes it, with whatever is wished, and a good signature. */
function requestFor({ subject, extensions }: Wish, twice = false): Promise<string> {
  const request = pki.createCertificationRequest();
  request.publicKey = pki.publicKeyFromPem(createPublicKey(keyPem).export({ type: 'spki', format: 'pem' }).toString());
  request.setSubject(subject.map((attribute) => ({ ...attribute })));
  const attribute = { type: EXTENSION_REQUEST, extensions: extensions.map((extension) => ({ ...extension })) };
  if (extensions.length > 0)
    request.setAttributes(twice ? [{ type: EXTENSION_REQUEST, extensions: [dns('west')] }, attribute] : [attribute]);
  request.signatureOid = SHA256_WITH_RSA;
  request.signature = '';
  return signToPem('CERTIFICATE REQUEST', pki.certificationRequestToAsn1(request), readPrivateKey(keyPem));
}

const dns = (value: string): object => ({ name: 'subjectAltName', altNames: [{ type: 2, value }] });
const san = (type: number, value: object): object => ({
  name: 'subjectAltName',
  altNames: [
    { type: 2, value: 'west' },
    { type, ...value },
  ],
});
const WEST = [{ shortName: 'CN', value: 'west' }];

test.each<readonly [what: string, wish: Wish]>([
  ['an IP address', { subject: WEST, extensions: [san(7, { ip: '10.0.0.1' })] }],
  ['a URI', { subject: WEST, extensions: [san(6, { value: 'spiffe://demo/west' })] }],
  ['an e-mail address', { subject: WEST, extensions: [san(1, { value: 'a@b.example' })] }],
  ['a second DNS name', { subject: WEST, extensions: [san(2, { value: 'east' })] }],
  ['the powers of an authority', { subject: WEST, extensions: [{ name: 'basicConstraints', cA: true }] }],
  ['to sign certificates', { subject: WEST, extensions: [{ name: 'keyUsage', keyCertSign: true }] }],
  ['another name', { subject: [{ shortName: 'CN', value: 'east' }], extensions: [] }],
  ['a name that ends in a NUL', { subject: [{ shortName: 'CN', value: 'west\u0000.east' }], extensions: [] }],
  ['no name', { subject: [], extensions: [] }],
  ['a name of another kind', { subject: [{ shortName: 'OU', value: 'west' }], extensions: [] }],
])('a request for %s is refused, also in a second list of extensions', async (_what, wish) => {
  expect(await outcome(await requestFor(wish))).toBeUndefined();
  expect(await outcome(await requestFor(wish, true))).toBeUndefined();
});

test('whatever a request wishes for, what is signed holds the one name and the key', async () => {
  const text = fc.oneof(
    fc.constantFrom('west', 'east', '*', 'west.example', 'WEST', 'west\u0000'),
    hostileText.filter((value) => value.length < 200),
  );
  const wish: fc.Arbitrary<Wish> = fc.record({
    subject: fc.oneof(
      fc.constant(WEST),
      fc.array(fc.record({ shortName: fc.constantFrom('CN', 'O', 'OU', 'C'), value: text }), { maxLength: 3 }),
    ),
    extensions: fc.array(
      fc.oneof(
        text.map(dns),
        fc.record({ name: fc.constant('basicConstraints'), critical: fc.boolean(), cA: fc.boolean() }),
        fc.record({ name: fc.constant('keyUsage'), keyCertSign: fc.boolean(), cRLSign: fc.boolean(), dataEncipherment: fc.boolean() }),
        fc.record({ name: fc.constant('extKeyUsage'), codeSigning: fc.boolean(), emailProtection: fc.boolean(), '1.2.3.4': fc.boolean() }),
        fc.record({ name: fc.constant('nsCertType'), sslCA: fc.boolean() }),
      ),
      { maxLength: 4 },
    ),
  });
  let signed = 0;
  await fc.assert(
    fc.asyncProperty(wish, fc.boolean(), async (wished, twice) => {
      const certificatePem = await outcome(await requestFor(wished, twice));
      if (certificatePem === undefined) return;
      signed += 1;
      expectOnlyWest(certificatePem);
      expect(keyMatchesCertificate(keyPem, certificatePem)).toBe(true);
    }),
    { seed: 1, numRuns: 200 },
  );
  // Some wishes are harmless: the property is not empty.
  expect(signed).toBeGreaterThan(5);
});

test('a request that is changed anywhere, cut off or grown wins nothing for another name or key', async () => {
  const der = Buffer.from((await issueRequest('west', readPrivateKey(keyPem))).replace(/-----.*-----/g, ''), 'base64');
  const own = publicKeyFingerprint(keyPem);
  const patch = fc.record({ at: fc.nat(der.length), cut: fc.nat(40), put: fc.uint8Array({ maxLength: 40 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(patch, { minLength: 1, maxLength: 3 }), async (patches) => {
      const changed = patches.reduce(
        (bytes, { at, cut, put }) => Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)]),
        der,
      );
      const certificatePem = await outcome(toPem(changed));
      if (certificatePem === undefined) return;
      expectOnlyWest(certificatePem);
      expect(publicKeyFingerprint(certificatePem)).toBe(own);
    }),
    { seed: 2, numRuns: 500 },
  );
});

test('random bytes, and any ASN.1, are refused in good time', async () => {
  const { BOOLEAN, INTEGER, BITSTRING, OCTETSTRING, NULL, OID, ENUMERATED, UTF8, SEQUENCE, SET, PRINTABLESTRING, UTCTIME, BMPSTRING } =
    asn1.Type;
  const type = fc.constantFrom(
    BOOLEAN,
    INTEGER,
    BITSTRING,
    OCTETSTRING,
    NULL,
    OID,
    ENUMERATED,
    UTF8,
    SEQUENCE,
    SET,
    PRINTABLESTRING,
    UTCTIME,
    BMPSTRING,
  );
  const value: fc.Arbitrary<asn1.Asn1> = fc.letrec<{ node: asn1.Asn1 }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 5 },
      fc
        .tuple(type, fc.uint8Array({ maxLength: 20 }))
        .map(([tag, bytes]) => asn1.create(asn1.Class.UNIVERSAL, tag, false, Buffer.from(bytes).toString('latin1'))),
      fc
        .tuple(fc.constantFrom(asn1.Class.UNIVERSAL, asn1.Class.CONTEXT_SPECIFIC), type, fc.array(tie('node'), { maxLength: 5 }))
        .map(([tagClass, tag, inner]) => asn1.create(tagClass, tag, true, inner)),
      fc.array(tie('node'), { maxLength: 5 }).map((inner) => asn1.create(asn1.Class.UNIVERSAL, asn1.Type.SEQUENCE, true, inner)),
    ),
  })).node;
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 2_000 }).map((some) => Buffer.from(some)),
    value.map(toDer),
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (some) => expect(await outcome(toPem(some))).toBeUndefined()),
    { seed: 3, numRuns: 1_500 },
  );
});

test.each([
  ['spaces', ' '.repeat(16_000)],
  ['a header without an end', `-----BEGIN CERTIFICATE REQUEST-----${'\n'.repeat(15_000)}`],
  ['many beginnings before line ends', '-----BEGIN A-----'.repeat(100) + '\n\n'.repeat(7_000)],
  ['many beginnings', '-----BEGIN CERTIFICATE REQUEST-----\n'.repeat(440)],
  ['lengths that promise much', toPem(Buffer.alloc(4_000, Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff])))],
  ['sequences in sequences', toPem(nested(2_000))],
  ['a bit string of bit strings', toPem(Buffer.alloc(6_000, Buffer.from([0x03, 0x82, 0x10, 0x00])))],
])('%s do not keep the authority busy', async (_what, text) => {
  const started = process.cpuUsage();
  expect(await outcome(text)).toBeUndefined();
  expect(process.cpuUsage(started).user / 1_000).toBeLessThan(2_000);
});

test('a certificate that is changed anywhere is read or refused, and is never a good one any more', async () => {
  const { certificatePem } = await signPeerRequest({ authority, requestPem: await issueRequest('west', readPrivateKey(keyPem)), allowed });
  const leaf = Buffer.from(certificatePem.split('-----')[2] ?? '', 'base64');
  const judge = (pem: string): string | undefined =>
    findPeerCertificateProblem({ certificatePem: pem, keyPem, authorityPem: authority.certificatePem, peer: 'west', renewBeforeDays: 30 });
  expect(judge(certificatePem)).toBeUndefined();
  fc.assert(
    fc.property(fc.nat(leaf.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(3), (at, change, cut) => {
      const changed = Buffer.concat([leaf.subarray(0, at), Buffer.from([(leaf[at] ?? 0) ^ change]), leaf.subarray(at + 1 + cut)]);
      const pem = toPem(changed, 'CERTIFICATE');
      expect(judge(pem)).not.toBeUndefined();
      try {
        inspectCertificate(pem);
      } catch (error) {
        expectTellable(error);
      }
    }),
    { seed: 4, numRuns: 1_500 },
  );
});

/** Sequences, each in the one before, with proper lengths. */
function nested(levels: number): Buffer {
  let der = Buffer.from([0x30, 0]);
  for (let level = 0; level < levels; level += 1) {
    const { length } = der;
    const header = length < 128 ? [0x30, length] : length < 256 ? [0x30, 0x81, length] : [0x30, 0x82, length >> 8, length & 0xff];
    der = Buffer.concat([Buffer.from(header), der]);
  }
  return der;
}

function toPem(der: Buffer, label = 'CERTIFICATE REQUEST'): string {
  return `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`;
}
