// What an existing certificate says, and whether it may be kept. Keeping is the rule: a second run changes nothing.
import { X509Certificate } from 'node:crypto';
import { FabricError } from '../errors/fabric-error';
import { keyMatchesCertificate } from './key-pair';

const DAY_MS = 86_400_000;

/** The public facts of a certificate; safe to show and to send anywhere. Times are ISO 8601 in UTC. */
export interface CertificateFacts {
  /** Common name, or `''`. */
  readonly subject: string;
  /** Common name of who signed it, or `''`. */
  readonly issuer: string;
  readonly dnsNames: readonly string[];
  readonly notBefore: string;
  readonly notAfter: string;
  /** SHA-256 of the certificate, as `AB:CD:…`. */
  readonly fingerprint256: string;
  readonly isCa: boolean;
  readonly keyBits: number;
}

/**
 * Reads the facts of the first certificate in the text.
 * @throws FabricError `invalid`
 */
export function inspectCertificate(pem: string): CertificateFacts {
  const certificate = readCertificate(pem);
  if (certificate === undefined) {
    throw new FabricError({ code: 'invalid', message: 'A certificate cannot be read: it is not a certificate in PEM' });
  }
  return factsOf(certificate);
}

/**
 * Says why a peer's certificate must be made again, or `undefined` when it may be kept.
 * One that ends together with the authority is not near its end: a new one would end on the same day.
 * @param options.renewBeforeDays how near its end a certificate may come. `now`: the present by default.
 */
export function findPeerCertificateProblem(options: {
  readonly certificatePem: string;
  readonly keyPem?: string;
  readonly authorityPem: string;
  readonly peer: string;
  readonly renewBeforeDays: number;
  readonly now?: Date;
}): string | undefined {
  const { certificatePem, keyPem, authorityPem, peer, renewBeforeDays, now = new Date() } = options;
  const leaf = findLeafProblem({ certificatePem, keyPem, authorityPem, name: peer, now });
  if (leaf !== undefined) return leaf;
  const endsWithAuthority = inspectCertificate(certificatePem).notAfter >= inspectCertificate(authorityPem).notAfter;
  return endsWithAuthority ? undefined : findEndProblem(certificatePem, renewBeforeDays, now);
}

/** Says why a peer's site certificates must be made again (all of them, as their authority's key is gone), or `undefined`. */
export function findSiteCertificateProblem(options: {
  readonly caPem: string;
  readonly controlplane: { readonly certificatePem: string; readonly keyPem?: string };
  readonly dataplane: { readonly certificatePem: string; readonly keyPem?: string };
  readonly renewBeforeDays: number;
  readonly now?: Date;
}): string | undefined {
  const { caPem, controlplane, dataplane, renewBeforeDays, now = new Date() } = options;
  const leaves = [
    { name: 'cl-controlplane', ...controlplane },
    { name: 'cl-dataplane', ...dataplane },
  ];
  for (const { name, certificatePem, keyPem } of leaves) {
    const problem =
      findLeafProblem({ certificatePem, keyPem, authorityPem: caPem, name, now }) ?? findEndProblem(certificatePem, renewBeforeDays, now);
    if (problem !== undefined) return `${name}: ${problem}`;
  }
  return findEndProblem(caPem, renewBeforeDays, now);
}

interface Leaf {
  readonly certificatePem: string;
  readonly keyPem: string | undefined;
  readonly authorityPem: string;
  readonly name: string;
  readonly now: Date;
}

function findLeafProblem({ certificatePem, keyPem, authorityPem, name, now }: Leaf): string | undefined {
  const certificate = readCertificate(certificatePem);
  const authority = readCertificate(authorityPem);
  if (certificate === undefined) return 'the certificate cannot be read';
  if (authority === undefined) return "the authority's certificate cannot be read";
  const { subject, dnsNames, notBefore, notAfter, isCa } = factsOf(certificate);
  if (!authority.ca || !certificate.checkIssued(authority) || !certificate.verify(authority.publicKey))
    return 'the certificate is not signed by the authority';
  if (isCa) return 'the certificate is an authority itself';
  // ClusterLink takes the first DNS name as the peer's identity.
  if (subject !== name || dnsNames[0] !== name) return `the certificate names ${JSON.stringify(dnsNames[0] ?? subject)}, not ${name}`;
  if (notBefore > now.toISOString()) return `the certificate begins only on ${notBefore}`;
  if (notAfter <= now.toISOString()) return `the certificate ended on ${notAfter}`;
  if (keyPem !== undefined && !keyMatchesCertificate(keyPem, certificatePem)) return 'the private key does not belong to the certificate';
  return undefined;
}

function findEndProblem(certificatePem: string, renewBeforeDays: number, now: Date): string | undefined {
  const { notAfter } = inspectCertificate(certificatePem);
  const due = new Date(notAfter).getTime() - renewBeforeDays * DAY_MS;
  return due <= now.getTime() ? `the certificate ends on ${notAfter}, within ${renewBeforeDays} days` : undefined;
}

function readCertificate(pem: string): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(pem);
    // Its dates may be none, and its names none that can be told.
    factsOf(certificate);
    return certificate;
  } catch {
    return undefined;
  }
}

function factsOf(certificate: X509Certificate): CertificateFacts {
  const legacy = certificate.toLegacyObject();
  return {
    subject: commonName(legacy.subject.CN),
    issuer: commonName(legacy.issuer.CN),
    dnsNames: dnsNamesOf(certificate.subjectAltName),
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
    fingerprint256: certificate.fingerprint256,
    isCa: certificate.ca,
    keyBits: legacy.bits ?? 0,
  };
}

function commonName(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value.at(-1) : value) ?? '';
}

/** Node writes names as `DNS:a, DNS:b`, and one with special characters as a JSON string: `DNS:"a, DNS:b"` is one name. */
function dnsNamesOf(subjectAltName: string | undefined): string[] {
  const entries = subjectAltName?.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return entries
    .map((entry) => entry.trim())
    .filter((entry) => entry.startsWith('DNS:'))
    .map((entry) => entry.slice('DNS:'.length))
    .map((name) => (name.startsWith('"') ? String(JSON.parse(name)) : name));
}
