// Judges a certificate request that may come from anyone: it can win a certificate for the one name that is allowed, and nothing else.
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { asn1, pki, util } from 'node-forge';
import { FabricError } from '../errors/fabric-error';
import { KEY_BITS } from './key-pair';
import { SHA256_WITH_RSA, toDer } from './x509';

/** What the record of a peer allows its request to ask for. */
export interface AllowedRequest {
  /** The only common name and DNS name. */
  readonly peer: string;
  readonly minKeyBits: number;
  /** 8192 by default: a larger key would cost every gateway at each handshake. */
  readonly maxKeyBits?: number;
}

// A request with an RSA-8192 key is under 4 kB; what is longer is not worth parsing.
const LONGEST_REQUEST = 16_384;
/** One block and nothing else: no headers, no text around it, no second block that another reader might take instead. */
const PEM = /^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\r\n]*)-----END \1?CERTIFICATE REQUEST-----\s*$/;
const COMMON_NAME = '2.5.4.3';
const DNS_NAME = 2;

interface RequestedExtension {
  readonly name?: string;
  readonly cA?: boolean;
  readonly keyCertSign?: boolean;
  readonly altNames?: readonly { readonly type: number; readonly value: unknown }[];
}

/**
 * Returns the public key of a request that asks for what is allowed and proves that it holds the private key.
 * Extensions other than names and CA powers are not looked at: the issuer decides them.
 * @throws FabricError `invalid`, with every reason
 */
export async function readPeerRequest(requestPem: string, allowed: AllowedRequest): Promise<KeyObject> {
  const { request, publicKey } = parseRequest(requestPem, allowed.peer);
  const problems = [...nameProblems(request, allowed.peer), ...keyProblems(publicKey, allowed)];
  if (request.signatureOid !== SHA256_WITH_RSA) problems.push('it is not signed with sha256WithRSAEncryption');
  // Last, so that no time is spent on a signature of a key that is refused for its size.
  else if (problems.length === 0 && !(await isSelfSigned(request, publicKey))) problems.push('its signature is not by the key it asks for');
  if (problems.length === 0) return publicKey;
  throw refusal(allowed.peer, problems.join('; '));
}

function parseRequest(requestPem: string, peer: string): { request: pki.CertificateSigningRequest; publicKey: KeyObject } {
  try {
    if (requestPem.length > LONGEST_REQUEST) throw new RangeError();
    const [, , body] = PEM.exec(requestPem) ?? [];
    if (body === undefined) throw new TypeError();
    const der = Buffer.from(body, 'base64');
    const request = pki.certificationRequestFromAsn1(asn1.fromDer(util.createBuffer(der.toString('latin1'))));
    if (request.publicKey === null) throw new TypeError();
    const publicKey = createPublicKey({ key: toDer(pki.publicKeyToAsn1(request.publicKey)), format: 'der', type: 'spki' });
    return { request, publicKey };
  } catch {
    throw refusal(peer, 'it is not a PKCS#10 request in PEM for an RSA key');
  }
}

function nameProblems(request: pki.CertificateSigningRequest, peer: string): string[] {
  const problems: string[] = [];
  const [subject, ...others] = request.subject.attributes;
  if (subject?.type !== COMMON_NAME || subject.value !== peer || others.length > 0) problems.push(`its subject is not just CN=${peer}`);

  const extensions = request.attributes.flatMap((attribute) => (attribute.extensions ?? []) as RequestedExtension[]);
  const names = extensions.flatMap((extension) => extension.altNames ?? []);
  if (names.some((name) => name.type !== DNS_NAME || name.value !== peer))
    problems.push(`it asks for names other than the DNS name ${peer}`);
  if (extensions.some((extension) => extension.cA === true || extension.keyCertSign === true))
    problems.push('it asks for the powers of an authority');
  return problems;
}

function keyProblems(publicKey: KeyObject, { minKeyBits, maxKeyBits = KEY_BITS.most }: AllowedRequest): string[] {
  const { modulusLength = 0, publicExponent } = publicKey.asymmetricKeyDetails ?? {};
  const problems: string[] = [];
  if (modulusLength < minKeyBits || modulusLength > maxKeyBits)
    problems.push(`its key has ${modulusLength} bits, not ${minKeyBits}–${maxKeyBits}`);
  if (publicExponent !== 65537n) problems.push("its key's public exponent is not 65537");
  return problems;
}

function isSelfSigned(request: pki.CertificateSigningRequest, publicKey: KeyObject): Promise<boolean> {
  const signed = request.certificationRequestInfo;
  if (signed === null) return Promise.resolve(false);
  const signature = Buffer.from(String(request.signature), 'latin1');
  return new Promise((resolve, reject) => {
    verify('sha256', toDer(signed), publicKey, signature, (error, valid) => (error === null ? resolve(valid) : reject(error)));
  });
}

function refusal(peer: string, reasons: string): FabricError {
  return new FabricError({
    code: 'invalid',
    message: `The certificate request of peer ${peer} is refused: ${reasons}`,
    hint: 'Let the peer make a new request; requests made by Skyfabric are accepted as they are.',
    peer,
  });
}
