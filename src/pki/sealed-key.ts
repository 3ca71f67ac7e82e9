// A private key encrypted with a passphrase, as a key store keeps it: scrypt (RFC 7914) makes the key of AES-256-GCM, whose additional data
// binds the ciphertext to its fabric. No message here repeats a key, a passphrase, or what OpenSSL says of them.
import { createCipheriv, createDecipheriv, randomBytes, scrypt, type ScryptOptions } from 'node:crypto';
import { promisify } from 'node:util';
import { z } from 'zod';
import { FabricError } from '../errors/fabric-error';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** 128 MiB and about half a second of one core for each guess. */
const NEW_KDF = { name: 'scrypt', n: 2 ** 17, r: 8, p: 1 } as const;

/** As it stands in a record. What a damaged one asks for is bounded: 1 GiB at most. */
export const sealedKey = z.strictObject({
  kdf: z.strictObject({
    name: z.literal('scrypt'),
    n: z
      .int()
      .min(2 ** 14)
      .max(2 ** 20)
      .refine((n) => (n & (n - 1)) === 0),
    r: z.literal(8),
    p: z.int().min(1).max(4),
  }),
  cipher: z.literal(ALGORITHM),
  salt: z.string().regex(/^[A-Za-z0-9+/]{22}==$/),
  nonce: z.string().regex(/^[A-Za-z0-9+/]{16}$/),
  /** Ciphertext and tag. */
  sealed: z
    .string()
    .max(65_536)
    .refine((text) => Buffer.from(text, 'base64').length > TAG_BYTES),
});

/** All but `sealed` is public; texts of bytes are base64. */
export type SealedKey = z.output<typeof sealedKey>;

type Kdf = SealedKey['kdf'];

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

/** Seals and opens keys with one passphrase. */
export class KeySealer {
  /** By salt and parameters: deriving is slow on purpose, and every step that signs would do it again. */
  private readonly derived = new Map<string, Promise<Buffer>>();
  /** By fabric: what its record was opened with, for the next time that it is written. */
  private readonly salts = new Map<string, Buffer>();

  constructor(private readonly passphrase: string) {}

  /** Encrypts a fabric's key, under a nonce that is not used again. */
  async seal(fabric: string, keyPem: string): Promise<SealedKey> {
    const salt = this.salts.get(fabric) ?? randomBytes(SALT_BYTES);
    this.salts.set(fabric, salt);
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, await this.keyFor(NEW_KDF, salt), nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(boundTo(fabric));
    const sealed = Buffer.concat([cipher.update(keyPem, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return {
      kdf: NEW_KDF,
      cipher: ALGORITHM,
      salt: salt.toString('base64'),
      nonce: nonce.toString('base64'),
      sealed: sealed.toString('base64'),
    };
  }

  /** @throws FabricError `forbidden` when the passphrase does not open it */
  async open(fabric: string, { kdf, salt, nonce, sealed }: SealedKey, where: string): Promise<string> {
    const saltBytes = Buffer.from(salt, 'base64');
    const whole = Buffer.from(sealed, 'base64');
    const body = whole.length - TAG_BYTES;
    const decipher = createDecipheriv(ALGORITHM, await this.keyFor(kdf, saltBytes), Buffer.from(nonce, 'base64'), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(boundTo(fabric)).setAuthTag(whole.subarray(body));
    try {
      const keyPem = Buffer.concat([decipher.update(whole.subarray(0, body)), decipher.final()]).toString('utf8');
      this.salts.set(fabric, saltBytes);
      return keyPem;
    } catch {
      throw new FabricError({
        code: 'forbidden',
        message: `the passphrase does not open the authority's key of fabric ${fabric} in ${where}`,
        hint: 'Give the passphrase that the key was encrypted with, with --key-passphrase-file; if it is the right one, the record was changed: restore it from a backup.',
        object: where,
      });
    }
  }

  private keyFor(kdf: Kdf, salt: Buffer): Promise<Buffer> {
    const { n, r, p } = kdf;
    const id = [n, r, p, salt.toString('base64')].join(' ');
    const known = this.derived.get(id);
    if (known !== undefined) return known;
    // Node's own limit is 32 MiB; scrypt takes 128·n·r bytes and a little.
    const made = derive(this.passphrase, salt, KEY_BYTES, { N: n, r, p, maxmem: 256 * n * r });
    this.derived.set(id, made);
    // Without memory for it now, there may be some later.
    made.catch(() => this.derived.delete(id));
    return made;
  }
}

function boundTo(fabric: string): Buffer {
  return Buffer.from(`skyfabric fabric authority\0${fabric}`);
}
