// What a key store keeps of a fabric, as text; with a passphrase its private key is encrypted. The text may hold a private key: neither
// it nor a parser's message about it (JSON's quotes its input) may reach an error.
import { z } from 'zod';
import { FabricError } from '../errors/fabric-error';
import { keyMatchesCertificate } from './key-pair';
import { KeySealer, sealedKey } from './sealed-key';

/** Who needs the authority: by claim, the run that added it. */
const claims = z.record(z.string(), z.strictObject({ run: z.string() }));
const plainRecord = z.strictObject({ certificatePem: z.string(), keyPem: z.string(), claims });
const sealedRecord = z.strictObject({ certificatePem: z.string(), sealedKey, claims });
const writtenRecord = z.union([plainRecord, sealedRecord]);

/** The fabric authority with its claims. Secret. */
export type AuthorityRecord = Readonly<z.infer<typeof plainRecord>>;

/** The record as it is kept: its key may be encrypted. Secret. */
export type WrittenRecord = Readonly<z.infer<typeof writtenRecord>>;

/** How records become text. */
export class RecordFormat {
  private readonly sealer: KeySealer | undefined;

  /** @param passphrase encrypts keys; without one they are written in plain. */
  constructor(passphrase?: string) {
    this.sealer = passphrase === undefined ? undefined : new KeySealer(passphrase);
  }

  /** The record as one JSON text. A key that is encrypted stays as it is. */
  async format(fabric: string, record: WrittenRecord): Promise<string> {
    if (this.sealer === undefined || !('keyPem' in record)) return `${JSON.stringify(record)}\n`;
    const { keyPem, ...open } = record;
    return `${JSON.stringify({ ...open, sealedKey: await this.sealer.seal(fabric, keyPem) })}\n`;
  }

  /**
   * Reads a record back, and leaves its key as it is: who only lets go of an authority needs no passphrase.
   * @param where the file or Secret it was read from, for the message.
   * @throws FabricError `invalid`, without any of the text
   */
  parseUnopened(text: string, where: string): WrittenRecord {
    const parsed = writtenRecord.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw damaged(where, 'it is damaged or not written by Skyfabric');
  }

  /**
   * Reads a record back, and checks that its key belongs to its certificate. A plain one is read with a passphrase too: it is encrypted
   * when it is written next.
   * @param where the file or Secret it was read from, for the message.
   * @throws FabricError `invalid`, without any of the text; `forbidden` when the passphrase is missing or does not open the key
   */
  async parse(fabric: string, text: string, where: string): Promise<AuthorityRecord> {
    const record = this.parseUnopened(text, where);
    const { certificatePem, claims: held } = record;
    const keyPem = 'keyPem' in record ? record.keyPem : await this.requireSealer(fabric, where).open(fabric, record.sealedKey, where);
    if (!keyMatchesCertificate(keyPem, certificatePem)) throw damaged(where, 'its key does not belong to its certificate');
    return { certificatePem, keyPem, claims: held };
  }

  private requireSealer(fabric: string, where: string): KeySealer {
    if (this.sealer !== undefined) return this.sealer;
    throw new FabricError({
      code: 'forbidden',
      message: `the authority's key of fabric ${fabric} in ${where} is encrypted with a passphrase, and none was given`,
      hint: 'Name the file that holds it (mode 600) with --key-passphrase-file or in SKYFABRIC_KEY_PASSPHRASE_FILE.',
      object: where,
    });
  }
}

function damaged(where: string, why: string): FabricError {
  return new FabricError({
    code: 'invalid',
    message: `${where} does not hold a fabric authority: ${why}`,
    hint: `Restore ${where} from a backup; without one, tear the fabric down and bootstrap it again with a new authority.`,
    object: where,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
