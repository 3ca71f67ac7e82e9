// Certificates and requests as structures: node-forge lays them out and sees public keys only; the bytes to be signed
// are signed by OpenSSL on the thread pool (key-pair.ts). RFC 5280 (certificates), RFC 2986 (requests).
import { createPublicKey, randomBytes, X509Certificate, type KeyObject } from 'node:crypto';
import { asn1, pki, util } from 'node-forge';
import { FabricError } from '../errors/fabric-error';
import { signWithSha256 } from './key-pair';

/** OID of sha256WithRSAEncryption, the one signature algorithm made and accepted here. */
export const SHA256_WITH_RSA = '1.2.840.113549.1.1.11';

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const DAY_MS = 86_400_000;
/** Clocks of the clusters may be behind the worker's by this much. */
const SKEW_MS = 5 * 60_000;

/** What a certificate is for: `authority` signs others, the rest prove who a TLS server or client is. */
export type CertificateUse = 'authority' | 'server' | 'client' | 'server-and-client';

/** Who signs: a certificate and its private key. */
interface Issuer {
  readonly certificatePem: string;
  readonly key: KeyObject;
}

interface CertificateContent {
  /** Common name; also the one DNS name unless `use` is `authority`. */
  readonly name: string;
  readonly use: CertificateUse;
  readonly publicKey: KeyObject;
  readonly lifetimeDays: number;
  readonly now: Date;
}

/**
 * Issues a certificate with exactly the given content. It begins five minutes early, and never outlives its issuer.
 * @param issuer signs; a lone key signs its own certificate.
 * @throws FabricError `invalid` for an issuer that cannot sign or has ended, or a lifetime that is no number of days
 */
export async function issueCertificate(content: CertificateContent, issuer: Issuer | { readonly key: KeyObject }): Promise<string> {
  const certificate = pki.createCertificate();
  const parent = 'certificatePem' in issuer ? readIssuer(issuer.certificatePem, content.now) : undefined;
  const subject = [{ name: 'commonName', value: content.name }];

  certificate.publicKey = toForge(content.publicKey);
  certificate.serialNumber = newSerial();
  certificate.setSubject(subject);
  certificate.setIssuer(parent?.subject ?? subject);
  certificate.validity = validityOf(content, parent);
  const extensions = extensionsOf(content);
  if (parent !== undefined) extensions.push({ name: 'authorityKeyIdentifier', keyIdentifier: parent.keyIdentifier });
  certificate.setExtensions(extensions);
  certificate.signatureOid = certificate.siginfo.algorithmOid = SHA256_WITH_RSA;
  certificate.signature = '';
  return signToPem('CERTIFICATE', pki.certificateToAsn1(certificate), issuer.key);
}

/** Makes a PKCS#10 request for the name, as common name and DNS name, signed with the key it asks for. */
export async function issueRequest(name: string, key: KeyObject): Promise<string> {
  const request = pki.createCertificationRequest();
  request.publicKey = toForge(createPublicKey(key));
  request.setSubject([{ name: 'commonName', value: name }]);
  request.setAttributes([{ type: EXTENSION_REQUEST, extensions: [dnsName(name)] }]);
  request.signatureOid = SHA256_WITH_RSA;
  request.signature = '';
  return signToPem('CERTIFICATE REQUEST', pki.certificationRequestToAsn1(request), key);
}

/** The DER bytes of an ASN.1 value. */
export function toDer(value: asn1.Asn1): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), 'latin1');
}

/** Signs what node-forge laid out: certificates and requests share one shape, SEQUENCE {to be signed, algorithm, BIT STRING}. */
export async function signToPem(label: 'CERTIFICATE' | 'CERTIFICATE REQUEST', structure: asn1.Asn1, key: KeyObject): Promise<string> {
  const [toBeSigned, , bits] = structure.value as asn1.Asn1[];
  if (toBeSigned === undefined || bits === undefined)
    throw new FabricError({ code: 'internal', message: 'node-forge laid out a structure without a signature' });
  const signature = await signWithSha256(toDer(toBeSigned), key);
  bits.value = `\0${signature.toString('latin1')}`; // a BIT STRING begins with its number of unused bits
  const lines =
    toDer(structure)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function readIssuer(certificatePem: string, now: Date) {
  const native = new X509Certificate(certificatePem);
  const notAfter = new Date(native.validTo);
  if (!native.ca || notAfter <= now) {
    throw new FabricError({
      code: 'invalid',
      message: `The certificate ${JSON.stringify(native.subject)} cannot sign others: ${native.ca ? `it ended on ${notAfter.toISOString()}` : 'it is no authority'}`,
      hint: 'Make a new authority and issue its certificates again.',
    });
  }
  const certificate = pki.certificateFromPem(certificatePem);
  const stated = certificate.getExtension('subjectKeyIdentifier') as { readonly subjectKeyIdentifier: string } | null;
  const keyIdentifier =
    stated === null
      ? certificate.generateSubjectKeyIdentifier().getBytes()
      : Buffer.from(stated.subjectKeyIdentifier, 'hex').toString('latin1');
  return { subject: certificate.subject.attributes.map(asWritten), keyIdentifier, notBefore: new Date(native.validFrom), notAfter };
}

/** node-forge hands out UTF-8 strings as bytes and takes them as text: the issuer's name must come out byte by byte as it went in. */
function asWritten(attribute: pki.CertificateField): pki.CertificateField {
  const isUtf8 = (attribute.valueTagClass as number | undefined) === asn1.Type.UTF8;
  return isUtf8 ? { ...attribute, value: util.decodeUtf8(String(attribute.value)) } : attribute;
}

function validityOf({ lifetimeDays, now }: CertificateContent, parent: { readonly notBefore: Date; readonly notAfter: Date } | undefined) {
  if (!(lifetimeDays > 0 && lifetimeDays <= 36_500)) {
    throw new FabricError({
      code: 'invalid',
      message: `A certificate cannot live for ${lifetimeDays} days; it must be more than 0 and at most 36500`,
    });
  }
  const begin = now.getTime() - SKEW_MS;
  const end = now.getTime() + lifetimeDays * DAY_MS;
  return {
    notBefore: new Date(Math.max(begin, parent?.notBefore.getTime() ?? begin)),
    notAfter: new Date(Math.min(end, parent?.notAfter.getTime() ?? end)),
  };
}

function extensionsOf({ name, use }: CertificateContent): object[] {
  if (use === 'authority') {
    return [
      // It signs leaves only: no authority below it is ever trusted.
      { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
      { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
      { name: 'subjectKeyIdentifier' },
    ];
  }
  return [
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
    { name: 'extKeyUsage', serverAuth: use !== 'client', clientAuth: use !== 'server' },
    dnsName(name),
    { name: 'subjectKeyIdentifier' },
  ];
}

/** SubjectAltName with one dNSName (context tag 2). */
function dnsName(name: string): object {
  return { name: 'subjectAltName', altNames: [{ type: 2, value: name }] };
}

/** 126 random bits; the first byte is 0x40–0x7f, so that DER reads it as positive and needs no padding. */
function newSerial(): string {
  const serial = randomBytes(16);
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0);
  return serial.toString('hex');
}

function toForge(publicKey: KeyObject): pki.rsa.PublicKey {
  return pki.publicKeyFromPem(publicKey.export({ type: 'spki', format: 'pem' }).toString());
}
