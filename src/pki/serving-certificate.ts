// A self-signed HTTPS certificate for servers of this process (the simulated clusters). It trusts nothing but itself.
import { createPublicKey, randomBytes } from 'node:crypto';
import { pki } from 'node-forge';
import { readPrivateKey } from './key-pair';
import { SHA256_WITH_RSA, signToPem } from './x509';

const LIFETIME_MS = 365 * 86_400_000;
const SKEW_MS = 5 * 60_000;

/** What the certificate is valid for. */
export interface ServingNames {
  /** Common name. */
  readonly name: string;
  readonly dnsNames: readonly string[];
  readonly ips: readonly string[];
  /** The server's RSA private key. */
  readonly keyPem: string;
}

/**
 * Makes a certificate for a TLS server at the given names, valid for a year; clients trust the certificate itself.
 * @throws FabricError `invalid` for a key that cannot be read
 */
export async function createServingCertificate(names: ServingNames): Promise<string> {
  const key = readPrivateKey(names.keyPem);
  const certificate = pki.createCertificate();
  const subject = [{ name: 'commonName', value: names.name }];
  certificate.publicKey = pki.publicKeyFromPem(createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString());
  certificate.serialNumber = `40${randomBytes(15).toString('hex')}`;
  certificate.setSubject(subject);
  certificate.setIssuer(subject);
  certificate.validity = { notBefore: new Date(Date.now() - SKEW_MS), notAfter: new Date(Date.now() + LIFETIME_MS) };
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: true },
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true, keyCertSign: true },
    { name: 'extKeyUsage', serverAuth: true },
    {
      name: 'subjectAltName',
      // Context tags of a GeneralName: 2 is a dNSName, 7 an iPAddress.
      altNames: [...names.dnsNames.map((value) => ({ type: 2, value })), ...names.ips.map((ip) => ({ type: 7, ip }))],
    },
  ]);
  certificate.signatureOid = certificate.siginfo.algorithmOid = SHA256_WITH_RSA;
  certificate.signature = '';
  return signToPem('CERTIFICATE', pki.certificateToAsn1(certificate), key);
}
