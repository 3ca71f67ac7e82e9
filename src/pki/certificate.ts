// The certificates of a fabric, as ClusterLink v0.4.1 expects them: the fabric authority, the peers below it, and the site
// certificates of each peer. A private key leaves these functions only towards the store or Secret it is made for.
import { createPublicKey } from 'node:crypto';
import { requireDnsLabel } from '../model/names';
import { FabricError } from '../errors/fabric-error';
import { generateRsaKeyPem, keyMatchesCertificate, readPrivateKey } from './key-pair';
import { readPeerRequest, type AllowedRequest } from './peer-request';
import { issueCertificate, issueRequest, type CertificateUse } from './x509';

/** Ten years, as ClusterLink's own. */
const LIFETIME_DAYS = 3650;

/** A certificate with its private key (PKCS#8), both PEM. Secret: never return it from an activity. */
export interface KeyedCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** The certificates inside one peer. `certificatePem` of both leaves is the leaf followed by `caPem`, as upstream's `cert` keys. */
export interface SiteCertificates {
  readonly caPem: string;
  readonly controlplane: KeyedCertificate;
  readonly dataplane: KeyedCertificate;
}

/**
 * Makes a fabric's root: a self-signed authority whose common name is the fabric's name.
 * @param options.keyBits 4096 by default; `lifetimeDays` 3650.
 * @throws FabricError `invalid`
 */
export async function createFabricAuthority(options: {
  readonly fabric: string;
  readonly keyBits?: number;
  readonly lifetimeDays?: number;
}): Promise<KeyedCertificate> {
  const fabric = requireDnsLabel(options.fabric, 'fabric');
  return createAuthority(fabric, options.keyBits ?? 4096, options.lifetimeDays ?? LIFETIME_DAYS);
}

/**
 * Makes a peer's private key and the PKCS#10 request for its certificate; only the request leaves the peer.
 * @param options.keyBits 2048 by default.
 * @throws FabricError `invalid`
 */
export async function createPeerRequest(options: {
  readonly peer: string;
  readonly keyBits?: number;
}): Promise<{ requestPem: string; keyPem: string }> {
  const peer = requireDnsLabel(options.peer, 'peer');
  const keyPem = await generateRsaKeyPem(options.keyBits ?? 2048);
  return { requestPem: await issueRequest(peer, readPrivateKey(keyPem)), keyPem };
}

/**
 * Signs a peer's request. The certificate holds what is decided here, whatever the request asks: the peer's name as
 * common name and only DNS name, server and client use, no CA; it never outlives the authority.
 * @param options.lifetimeDays 3650 by default. `now`: the present by default.
 * @returns the peer's certificate followed by the authority's, as upstream's `cert.pem`
 * @throws FabricError `invalid` for a request that asks for anything else, or an authority that cannot sign
 */
export async function signPeerRequest(options: {
  readonly authority: KeyedCertificate;
  readonly requestPem: string;
  readonly allowed: AllowedRequest;
  readonly lifetimeDays?: number;
  readonly now?: Date;
}): Promise<{ certificatePem: string }> {
  const { authority, allowed, lifetimeDays = LIFETIME_DAYS, now = new Date() } = options;
  const peer = requireDnsLabel(allowed.peer, 'peer');
  if (!keyMatchesCertificate(authority.keyPem, authority.certificatePem)) {
    throw new FabricError({ code: 'invalid', message: "The fabric authority's private key does not belong to its certificate", peer });
  }
  const publicKey = await readPeerRequest(options.requestPem, allowed);
  const issuer = { certificatePem: authority.certificatePem, key: readPrivateKey(authority.keyPem) };
  const leafPem = await issueCertificate({ name: peer, use: 'server-and-client', publicKey, lifetimeDays, now }, issuer);
  return { certificatePem: leafPem + authority.certificatePem };
}

/**
 * Makes all certificates inside one peer: CN `cl-ca`, and below it `cl-controlplane` (server) and `cl-dataplane` (client).
 * The authority's key is forgotten on return: when one of them must be made again, all three are.
 * @param options.keyBits 2048 by default; `lifetimeDays` 3650.
 * @throws FabricError `invalid`
 */
export async function createSiteCertificates(
  options: { readonly keyBits?: number; readonly lifetimeDays?: number } = {},
): Promise<SiteCertificates> {
  const { keyBits = 2048, lifetimeDays = LIFETIME_DAYS } = options;
  const [ca, controlplaneKey, dataplaneKey] = await Promise.all([
    createAuthority('cl-ca', keyBits, lifetimeDays),
    generateRsaKeyPem(keyBits),
    generateRsaKeyPem(keyBits),
  ]);
  const issuer = { certificatePem: ca.certificatePem, key: readPrivateKey(ca.keyPem) };
  const issue = async (name: string, use: CertificateUse, keyPem: string): Promise<KeyedCertificate> => {
    const leafPem = await issueCertificate({ name, use, publicKey: createPublicKey(keyPem), lifetimeDays, now: new Date() }, issuer);
    return { certificatePem: leafPem + ca.certificatePem, keyPem };
  };
  const [controlplane, dataplane] = await Promise.all([
    issue('cl-controlplane', 'server', controlplaneKey),
    issue('cl-dataplane', 'client', dataplaneKey),
  ]);
  return { caPem: ca.certificatePem, controlplane, dataplane };
}

async function createAuthority(name: string, keyBits: number, lifetimeDays: number): Promise<KeyedCertificate> {
  const keyPem = await generateRsaKeyPem(keyBits);
  const key = readPrivateKey(keyPem);
  const certificatePem = await issueCertificate(
    { name, use: 'authority', publicKey: createPublicKey(key), lifetimeDays, now: new Date() },
    { key },
  );
  return { certificatePem, keyPem };
}
