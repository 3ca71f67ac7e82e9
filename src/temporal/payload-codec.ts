// The payload codec (the SDK's `dataConverter.payloadCodecs`): AES-256-GCM over every payload, so that Temporal's server and its database
// hold what runs take and give only encrypted. The wire format is that of Temporal's own samples in Python and Go (samples-python,
// `encryption/codec.py`), so clients in other languages can share the keys: metadata `encoding: binary/encrypted` and
// `encryption-key-id`; data = nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes) of the serialized Payload; no additional data.
import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { FabricError } from '../errors/fabric-error';
import type { CodecKeys } from './codec-keys';

const PayloadMessage = temporal.api.common.v1.Payload;
const ALGORITHM = 'aes-256-gcm';
const ENCODING = 'binary/encrypted';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts with the current key, decrypts with any. Without keys, payloads go out plain, and encrypted ones are refused with what to do. */
export class EncryptionCodec implements PayloadCodec {
  constructor(private readonly keys: CodecKeys | undefined) {}

  encode(payloads: Payload[]): Promise<Payload[]> {
    const { keys } = this;
    if (keys === undefined) return Promise.resolve(payloads);
    // eslint-disable-next-line @typescript-eslint/no-non-null-assertion -- readCodecKeys sees to it that the current key is there
    const key = keys.keys.get(keys.current)!;
    return Promise.resolve(
      payloads.map((payload) => ({
        metadata: { encoding: Buffer.from(ENCODING), 'encryption-key-id': Buffer.from(keys.current) },
        data: encrypt(key, PayloadMessage.encode(payload).finish()),
      })),
    );
  }

  /**
   * Payloads of other encodings are left as they are: runs that began before there were keys stay readable.
   * @throws FabricError `forbidden` for a key that is not known, `invalid` for what the key does not open
   */
  // eslint-disable-next-line @typescript-eslint/require-await -- failures are rejections
  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      if (textOf(payload.metadata?.['encoding']) !== ENCODING) return payload;
      const id = textOf(payload.metadata?.['encryption-key-id']);
      const key = this.keys?.keys.get(id);
      if (key === undefined) throw this.unknownKey(id);
      return decrypt(key, id, payload.data ?? new Uint8Array());
    });
  }

  private unknownKey(id: string): FabricError {
    const { keys } = this;
    return new FabricError({
      code: 'forbidden',
      message: `a payload is encrypted with key ${JSON.stringify(id.slice(0, 64))}, which ${keys === undefined ? 'nobody gave' : `is not among those of ${keys.file}`}`,
      hint:
        keys === undefined
          ? 'Give the file of codec keys that the worker has, with --codec-keys or in SKYFABRIC_CODEC_KEYS.'
          : `Put the key into ${keys.file} under this id; keys that are no longer current are needed as long as Temporal keeps runs of their time.`,
    });
  }
}

function encrypt(key: KeyObject, plain: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: KeyObject, id: string, data: Uint8Array): Payload {
  const body = data.length - TAG_BYTES;
  try {
    const decipher = createDecipheriv(ALGORITHM, key, data.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(data.subarray(body));
    return PayloadMessage.decode(Buffer.concat([decipher.update(data.subarray(NONCE_BYTES, body)), decipher.final()]));
  } catch {
    throw new FabricError({
      code: 'invalid',
      message: `a payload that says it is encrypted with key ${JSON.stringify(id)} is not: the key does not open it`,
      hint: 'Two keys may bear the same id, or the payload was changed on its way; compare the files of codec keys.',
    });
  }
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return bytes == null ? '' : Buffer.from(bytes).toString('utf8');
}
