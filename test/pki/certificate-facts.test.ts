import { createPublicKey } from 'node:crypto';
import {
  createFabricAuthority,
  createPeerRequest,
  createSiteCertificates,
  signPeerRequest,
  type KeyedCertificate,
  type SiteCertificates,
} from '../../src/pki/certificate';
import { findPeerCertificateProblem, findSiteCertificateProblem, inspectCertificate } from '../../src/pki/certificate-facts';
import { readPrivateKey } from '../../src/pki/key-pair';
import { issueCertificate } from '../../src/pki/x509';

const DAY_MS = 86_400_000;
const inDays = (days: number): Date => new Date(Date.now() + days * DAY_MS);

let authority: KeyedCertificate;
let requestPem: string;
let west: KeyedCertificate;
let site: SiteCertificates;

beforeAll(async () => {
  const [made, request, certificates] = await Promise.all([
    createFabricAuthority({ fabric: 'demo', keyBits: 2048, lifetimeDays: 100 }),
    createPeerRequest({ peer: 'west' }),
    createSiteCertificates({ lifetimeDays: 100 }),
  ]);
  authority = made;
  requestPem = request.requestPem;
  site = certificates;
  west = { certificatePem: await signWest(50), keyPem: request.keyPem };
});

async function signWest(lifetimeDays: number, now?: Date): Promise<string> {
  const signed = await signPeerRequest({
    authority,
    requestPem,
    allowed: { peer: 'west', minKeyBits: 2048 },
    lifetimeDays,
    ...(now && { now }),
  });
  return signed.certificatePem;
}

describe('the facts of a certificate', () => {
  test('are those of the first one in a chain', () => {
    expect(inspectCertificate(west.certificatePem)).toEqual({
      subject: 'west',
      issuer: 'demo',
      dnsNames: ['west'],
      notBefore: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/),
      notAfter: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/),
      fingerprint256: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
      isCa: false,
      keyBits: 2048,
    });
    expect(inspectCertificate(authority.certificatePem)).toMatchObject({ subject: 'demo', issuer: 'demo', dnsNames: [], isCa: true });
  });

  test('do not take one strange DNS name for two', async () => {
    const key = readPrivateKey(authority.keyPem);
    const name = 'east, DNS:west';
    const certificatePem = await issueCertificate(
      { name, use: 'server', publicKey: createPublicKey(key), lifetimeDays: 1, now: new Date() },
      { certificatePem: authority.certificatePem, key },
    );
    expect(inspectCertificate(certificatePem)).toMatchObject({ subject: name, dnsNames: [name] });
  });

  test('of something else are refused, without repeating it', () => {
    expect(() => inspectCertificate(west.keyPem)).toThrow(
      expect.objectContaining({ code: 'invalid', message: expect.not.stringMatching(/PRIVATE/) }),
    );
  });
});

describe('a peer certificate', () => {
  const find = (changes: Partial<Parameters<typeof findPeerCertificateProblem>[0]> = {}) =>
    findPeerCertificateProblem({ ...west, authorityPem: authority.certificatePem, peer: 'west', renewBeforeDays: 30, ...changes });

  test('is kept while it verifies, names the peer and is not near its end', () => {
    expect(find()).toBeUndefined();
    expect(find({ now: inDays(19) })).toBeUndefined();
  });

  test('is made again near its end, and after it', () => {
    expect(find({ now: inDays(21) })).toMatch(/ends on .* within 30 days/);
    expect(find({ now: inDays(51) })).toMatch(/ended on/);
    expect(find({ now: inDays(-1) })).toMatch(/begins only on/);
  });

  test('that ends with the authority is kept to its end, as a new one would be no better', async () => {
    const certificatePem = await signWest(1000);
    expect(find({ certificatePem, now: inDays(99) })).toBeUndefined();
    expect(find({ certificatePem, now: inDays(101) })).toMatch(/ended on/);
  });

  test('is made again for another peer or another authority', async () => {
    const other = await createFabricAuthority({ fabric: 'demo', keyBits: 2048 });
    expect(find({ peer: 'east' })).toMatch(/names "west", not east/);
    expect(find({ authorityPem: other.certificatePem })).toMatch(/not signed by the authority/);
    expect(find({ authorityPem: west.certificatePem })).toMatch(/not signed by the authority/);
    expect(find({ certificatePem: authority.certificatePem, peer: 'demo' })).toMatch(/an authority itself/);
  });

  test('is made again when its key is another', () => {
    expect(find({ keyPem: authority.keyPem })).toMatch(/private key does not belong/);
    expect(find({ keyPem: '' })).toMatch(/private key does not belong/);
  });

  test('is made again when it cannot be read', () => {
    expect(find({ certificatePem: '' })).toMatch(/certificate cannot be read/);
    expect(find({ authorityPem: 'x' })).toMatch(/authority's certificate cannot be read/);
  });
});

describe('site certificates', () => {
  const find = (changes: Partial<Parameters<typeof findSiteCertificateProblem>[0]> = {}) =>
    findSiteCertificateProblem({ ...site, renewBeforeDays: 30, ...changes });

  test('are kept while both leaves verify and are not near their end', () => {
    expect(find()).toBeUndefined();
    expect(find({ now: inDays(69) })).toBeUndefined();
  });

  test('are made again near their end, although their authority ends with them', () => {
    expect(find({ now: inDays(71) })).toMatch(/cl-controlplane: .* within 30 days/);
  });

  test('are made again when one of them is wrong', async () => {
    const other = await createSiteCertificates();
    expect(find({ controlplane: site.dataplane })).toMatch(/cl-controlplane: .*names "cl-dataplane"/);
    expect(find({ dataplane: other.dataplane })).toMatch(/cl-dataplane: .*not signed/);
    expect(find({ caPem: other.caPem })).toMatch(/not signed/);
    expect(find({ dataplane: { ...site.dataplane, keyPem: site.controlplane.keyPem } })).toMatch(/cl-dataplane: the private key/);
  });
});
