// RSA keys: made, matched and signed with by OpenSSL on Node's thread pool, never by node-forge, whose arithmetic
// would hold up the event loop for seconds. No message here repeats a key, nor what OpenSSL says of one.
import { createPrivateKey, createPublicKey, generateKeyPair, hash, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { FabricError } from '../errors/fabric-error';

/** Key sizes in bits that ClusterLink's data planes and today's clients accept. */
export const KEY_BITS = { least: 2048, most: 8192 } as const;

const generate = promisify(generateKeyPair);

/**
 * Makes an RSA private key, as PKCS#8 PEM. RSA-4096 takes 1–5 s of one pool thread.
 * @throws FabricError `invalid` for a size outside 2048–8192
 */
export async function generateRsaKeyPem(bits: number): Promise<string> {
  if (!Number.isInteger(bits) || bits < KEY_BITS.least || bits > KEY_BITS.most) {
    throw new FabricError({
      code: 'invalid',
      message: `An RSA key of ${bits} bits was asked for; it must have ${KEY_BITS.least}–${KEY_BITS.most}`,
      hint: 'Choose a key size of 2048, 3072 or 4096 bits.',
    });
  }
  const { privateKey } = await generate('rsa', {
    modulusLength: bits,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

/**
 * Reads a private key.
 * @throws FabricError `invalid`
 */
export function readPrivateKey(keyPem: string): KeyObject {
  try {
    return createPrivateKey(keyPem);
  } catch {
    throw new FabricError({ code: 'invalid', message: 'A private key cannot be read: it is not an unencrypted key in PEM' });
  }
}

/** Whether the private key belongs to the (first) certificate; `false` too when either cannot be read. */
export function keyMatchesCertificate(keyPem: string, certificatePem: string): boolean {
  try {
    return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}

/**
 * SHA-256 of the public key (its SubjectPublicKeyInfo), in hex: the same for a private key, its public key and its certificate.
 * @throws FabricError `invalid`
 */
export function publicKeyFingerprint(pem: string): string {
  let publicKey: KeyObject;
  try {
    publicKey = createPublicKey(pem);
  } catch {
    throw new FabricError({ code: 'invalid', message: 'A public key cannot be read: it is neither a key nor a certificate in PEM' });
  }
  return hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'hex');
}

/** Signs with RSASSA-PKCS1-v1_5 and SHA-256, on the thread pool. */
export function signWithSha256(data: Buffer, key: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign('sha256', data, key, (error, signature) => (error === null ? resolve(signature) : reject(error)));
  });
}
