import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { connect, createServer, type TLSSocket } from 'node:tls';
import {
  createFabricAuthority,
  createPeerRequest,
  createSiteCertificates,
  signPeerRequest,
  type KeyedCertificate,
} from '../../src/pki/certificate';
import { inspectCertificate } from '../../src/pki/certificate-facts';
import { keyMatchesCertificate } from '../../src/pki/key-pair';
import { OpenSsl } from './openssl';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

let openssl: OpenSsl;
let authority: KeyedCertificate;

beforeAll(async () => {
  openssl = await OpenSsl.start();
  authority = await createFabricAuthority({ fabric: 'demo', keyBits: 2048 });
});
afterAll(() => openssl.close());

async function issuePeer(
  peer: string,
  options: { authority?: KeyedCertificate; lifetimeDays?: number; now?: Date } = {},
): Promise<KeyedCertificate> {
  const { requestPem, keyPem } = await createPeerRequest({ peer });
  const { certificatePem } = await signPeerRequest({ authority, requestPem, allowed: { peer, minKeyBits: 2048 }, ...options });
  return { certificatePem, keyPem };
}

describe('the fabric authority', () => {
  test('is a root that may sign certificates and revocation lists, and no authority below it', async () => {
    const text = await openssl.text(authority.certificatePem);
    expect(text).toMatch(/Version: 3 /);
    expect(text).toMatch(/Signature Algorithm: sha256WithRSAEncryption/);
    expect(text).toMatch(/Issuer: CN ?= ?demo\n/);
    expect(text).toMatch(/Subject: CN ?= ?demo\n/);
    expect(text).toMatch(/Basic Constraints: critical\n +CA:TRUE, pathlen:0\n/);
    expect(text).toMatch(/Key Usage: critical\n +Certificate Sign, CRL Sign\n/);
    expect(text).toMatch(/Subject Key Identifier/);
    expect(keyMatchesCertificate(authority.keyPem, authority.certificatePem)).toBe(true);
  });

  test('has 4096 bits and lives ten years unless told otherwise', async () => {
    const standard = await createFabricAuthority({ fabric: 'demo' });
    const { keyBits, notBefore, notAfter } = inspectCertificate(standard.certificatePem);
    expect(keyBits).toBe(4096);
    expect(Date.parse(notAfter) - Date.parse(notBefore)).toBe(3650 * DAY_MS + 5 * MINUTE_MS);
    const peer = await issuePeer('west', { authority: standard });
    expect(await openssl.verifies(peer.certificatePem, standard.certificatePem, 'sslserver')).toBe(true);
  }, 120_000);

  test.each(['', 'UPPER', 'a/../b', 'x'.repeat(64)])('is refused the name %j', async (fabric) => {
    await expect(createFabricAuthority({ fabric })).rejects.toMatchObject({ code: 'invalid' });
  });

  test.each([1024, 2047.5, 16_384, Number.NaN])('is refused a key of %d bits', async (keyBits) => {
    await expect(createFabricAuthority({ fabric: 'demo', keyBits })).rejects.toMatchObject({ code: 'invalid' });
  });

  test.each([0, -1, Number.NaN, 1e9])('is refused a life of %d days', async (lifetimeDays) => {
    await expect(createFabricAuthority({ fabric: 'demo', keyBits: 2048, lifetimeDays })).rejects.toMatchObject({ code: 'invalid' });
  });
});

describe('a peer request', () => {
  test('is signed by its own key and asks for the peer name only', async () => {
    const { requestPem, keyPem } = await createPeerRequest({ peer: 'west' });
    const path = await openssl.file(requestPem);
    const text = await openssl.run('req', '-in', path, '-verify', '-noout', '-text');
    expect(text).toMatch(/verify OK/);
    expect(text).toMatch(/Version: 1 \(0x0\)/);
    expect(text).toMatch(/Subject: CN ?= ?west\n/);
    expect(text).toMatch(/Requested Extensions:\s+X509v3 Subject Alternative Name: \n +DNS:west\n/);
    expect(text).toMatch(/sha256WithRSAEncryption/);
    const publicKey = await openssl.run('pkey', '-in', await openssl.file(keyPem), '-pubout');
    expect(await openssl.run('req', '-in', path, '-noout', '-pubkey')).toBe(publicKey);
  });

  test('is DER that openssl writes in the very same bytes', async () => {
    const { requestPem } = await createPeerRequest({ peer: 'west' });
    const rewritten = await openssl.run('req', '-in', await openssl.file(requestPem));
    expect(rewritten).toBe(requestPem);
  });

  test('holds what openssl puts into a request with the same key and names', async () => {
    const { requestPem, keyPem } = await createPeerRequest({ peer: 'west' });
    const theirs = await openssl.request({ keyPem, subject: '/CN=west', extensions: ['subjectAltName=DNS:west'] });
    const structure = async (pem: string): Promise<string[]> => {
      const parsed = await openssl.run('asn1parse', '-in', await openssl.file(pem));
      // Offsets and the string type of the name may differ; nothing else may.
      return parsed.split('\n').map((line) => line.replace(/^ *\d+:/, '').replace(/(UTF8|PRINTABLE)STRING +/, 'STRING '));
    };
    expect(await structure(requestPem)).toEqual(await structure(theirs));
  });
});

describe('a peer certificate', () => {
  test('verifies as server and as client, and says nothing but what was decided', async () => {
    const { certificatePem, keyPem } = await issuePeer('west');
    expect(await openssl.verifies(certificatePem, authority.certificatePem, 'sslserver')).toBe(true);
    expect(await openssl.verifies(certificatePem, authority.certificatePem, 'sslclient')).toBe(true);
    expect(keyMatchesCertificate(keyPem, certificatePem)).toBe(true);
    const text = await openssl.text(certificatePem);
    expect(text).toMatch(/Issuer: CN ?= ?demo\n/);
    expect(text).toMatch(/Subject: CN ?= ?west\n/);
    const extensions = text.slice(text.indexOf('X509v3 extensions:'));
    expect([...extensions.matchAll(/X509v3 (.*?): /g)].map(([, name]) => name)).toEqual([
      'Basic Constraints',
      'Key Usage',
      'Extended Key Usage',
      'Subject Alternative Name',
      'Subject Key Identifier',
      'Authority Key Identifier',
    ]);
    expect(extensions).toMatch(/Basic Constraints: critical\n +CA:FALSE\n/);
    expect(extensions).toMatch(/Key Usage: critical\n +Digital Signature, Key Encipherment\n/);
    expect(extensions).toMatch(/TLS Web Server Authentication, TLS Web Client Authentication\n/);
    expect(extensions).toMatch(/Subject Alternative Name: \n +DNS:west\n/);
  });

  test('is followed by the authority', async () => {
    const { certificatePem } = await issuePeer('west');
    expect(certificatePem.endsWith(authority.certificatePem)).toBe(true);
    expect(certificatePem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });

  test('is DER that openssl writes in the very same bytes', async () => {
    expect(await openssl.run('x509', '-in', await openssl.file(authority.certificatePem))).toBe(authority.certificatePem);
  });

  test('has a positive serial number of 16 bytes that is never the same', async () => {
    const { requestPem } = await createPeerRequest({ peer: 'west' });
    const sign = () => signPeerRequest({ authority, requestPem, allowed: { peer: 'west', minKeyBits: 2048 } });
    const signed = await Promise.all(Array.from({ length: 40 }, sign));
    const serials = signed.map(({ certificatePem }) => new X509Certificate(certificatePem).serialNumber);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
    expect(new Set(serials).size).toBe(40);
  });

  test('begins five minutes early and lives as long as asked', async () => {
    const later = new Date(Date.now() + DAY_MS);
    const { notBefore, notAfter } = inspectCertificate((await issuePeer('west', { lifetimeDays: 7, now: later })).certificatePem);
    expect(Math.abs(Date.parse(notBefore) - (later.getTime() - 5 * MINUTE_MS))).toBeLessThan(1000);
    expect(Date.parse(notAfter) - Date.parse(notBefore)).toBe(7 * DAY_MS + 5 * MINUTE_MS);
  });

  test('neither begins before the authority nor outlives it', async () => {
    const brief = await createFabricAuthority({ fabric: 'demo', keyBits: 2048, lifetimeDays: 2 });
    const root = inspectCertificate(brief.certificatePem);
    const behind = new Date(Date.now() - 4 * MINUTE_MS);
    const leaf = inspectCertificate((await issuePeer('west', { authority: brief, now: behind })).certificatePem);
    expect(leaf.notBefore).toBe(root.notBefore);
    expect(leaf.notAfter).toBe(root.notAfter);
  });

  test('is not issued by an authority that has ended', async () => {
    const after = new Date(Date.now() + 3651 * DAY_MS);
    await expect(issuePeer('west', { now: after })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/it ended on/),
    });
  });

  test('is not issued by a certificate that is no authority, nor with a key of another', async () => {
    const peer = await issuePeer('east');
    await expect(issuePeer('west', { authority: peer })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/no authority/),
    });
    const mixed = { certificatePem: authority.certificatePem, keyPem: peer.keyPem };
    await expect(issuePeer('west', { authority: mixed })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/does not belong/),
    });
  });

  test('may have the name of its fabric', async () => {
    const { certificatePem } = await issuePeer('demo');
    expect(await openssl.verifies(certificatePem, authority.certificatePem, 'sslserver')).toBe(true);
  });

  test('can be issued by an authority that another tool made', async () => {
    const keyPem = await openssl.key('RSA', 'rsa_keygen_bits:2048');
    const config = await openssl.file(
      '[req]\ndistinguished_name = dn\nx509_extensions = ca\n[dn]\n[ca]\nbasicConstraints = critical,CA:TRUE\n',
    );
    const key = await openssl.file(keyPem);
    const certificatePem = await openssl.run(
      'req',
      '-x509',
      '-config',
      config,
      '-key',
      key,
      '-subj',
      '/O=Örg/CN=demo',
      '-utf8',
      '-days',
      '10',
    );
    const peer = await issuePeer('west', { authority: { certificatePem, keyPem } });
    expect(new X509Certificate(peer.certificatePem).checkIssued(new X509Certificate(certificatePem))).toBe(true);
    expect(await openssl.run('verify', '-CAfile', await openssl.file(certificatePem), await openssl.file(peer.certificatePem))).toMatch(
      /OK/,
    );
  });
});

describe('site certificates', () => {
  test('are a server and a client below an authority of their own', async () => {
    const { caPem, controlplane, dataplane } = await createSiteCertificates();
    expect(inspectCertificate(caPem)).toMatchObject({ subject: 'cl-ca', isCa: true, keyBits: 2048 });
    expect(inspectCertificate(controlplane.certificatePem)).toMatchObject({
      subject: 'cl-controlplane',
      dnsNames: ['cl-controlplane'],
      issuer: 'cl-ca',
      isCa: false,
    });
    expect(inspectCertificate(dataplane.certificatePem)).toMatchObject({
      subject: 'cl-dataplane',
      dnsNames: ['cl-dataplane'],
      issuer: 'cl-ca',
      isCa: false,
    });
    expect(await openssl.verifies(controlplane.certificatePem, caPem, 'sslserver')).toBe(true);
    expect(await openssl.verifies(controlplane.certificatePem, caPem, 'sslclient')).toBe(false);
    expect(await openssl.verifies(dataplane.certificatePem, caPem, 'sslclient')).toBe(true);
    expect(await openssl.verifies(dataplane.certificatePem, caPem, 'sslserver')).toBe(false);
    for (const leaf of [controlplane, dataplane]) {
      expect(keyMatchesCertificate(leaf.keyPem, leaf.certificatePem)).toBe(true);
      expect(leaf.certificatePem.endsWith(caPem)).toBe(true);
    }
  });
});

describe('in TLS', () => {
  /** Connects a client to a server in memory, each demanding the other's certificate; resolves to the names that the two see. */
  async function shakeHands(server: KeyedCertificate, client: KeyedCertificate, caPem: string, serverName: string): Promise<unknown> {
    const [near, far] = duplexPair();
    const listener = createServer({
      key: server.keyPem,
      cert: server.certificatePem,
      ca: caPem,
      requestCert: true,
      rejectUnauthorized: true,
    });
    const admitted = new Promise<TLSSocket>((resolve, reject) => {
      listener.once('secureConnection', resolve);
      listener.once('tlsClientError', reject);
    });
    const socket = connect({ socket: near, key: client.keyPem, cert: client.certificatePem, ca: caPem, servername: serverName });
    // With TLS 1.3 a client is connected before the server has judged it, and hears of a refusal later.
    socket.on('error', () => undefined);
    listener.emit('connection', far);
    try {
      const [remote] = await Promise.all([admitted, once(socket, 'secureConnect')]);
      return [socket.getPeerX509Certificate()?.subject, remote.getPeerX509Certificate()?.subject];
    } finally {
      socket.destroy();
      far.destroy();
    }
  }

  test('two peers of a fabric prove to each other who they are', async () => {
    const [west, east] = await Promise.all([issuePeer('west'), issuePeer('east')]);
    expect(await shakeHands(west, east, authority.certificatePem, 'west')).toEqual(['CN=west', 'CN=east']);
    expect(await shakeHands(east, west, authority.certificatePem, 'east')).toEqual(['CN=east', 'CN=west']);
  });

  test('a peer is not taken for another, and a stranger is not admitted', async () => {
    const strangers = await createFabricAuthority({ fabric: 'demo', keyBits: 2048 });
    const [west, east, stranger] = await Promise.all([issuePeer('west'), issuePeer('east'), issuePeer('east', { authority: strangers })]);
    await expect(shakeHands(west, east, authority.certificatePem, 'south')).rejects.toThrow(/altnames/i);
    expect(await shakeHands(stranger, stranger, strangers.certificatePem, 'east')).toEqual(['CN=east', 'CN=east']);
    await expect(shakeHands(west, stranger, authority.certificatePem, 'west')).rejects.toThrow(/hang up/);
    await expect(shakeHands(stranger, west, authority.certificatePem, 'east')).rejects.toThrow(/certificate/);
  });

  test('the data plane talks to its control plane', async () => {
    const { caPem, controlplane, dataplane } = await createSiteCertificates();
    expect(await shakeHands(controlplane, dataplane, caPem, 'cl-controlplane')).toEqual(['CN=cl-controlplane', 'CN=cl-dataplane']);
  });
});
