// What a key store keeps of a fabric, as text. The text holds a private key: neither it nor a parser's message about it
// (JSON's quotes its input) may reach an error.
import { z } from 'zod';
import { FabricError } from '../errors/fabric-error';
import { keyMatchesCertificate } from './key-pair';

const authorityRecord = z.strictObject({
  certificatePem: z.string(),
  keyPem: z.string(),
  /** Who needs the authority: by claim, the run that added it. */
  claims: z.record(z.string(), z.strictObject({ run: z.string() })),
});

/** The fabric authority with its claims. Secret. */
export type AuthorityRecord = Readonly<z.infer<typeof authorityRecord>>;

/** The record as one JSON text. */
export function formatAuthorityRecord(record: AuthorityRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/**
 * Reads a record back, and checks that its key belongs to its certificate.
 * @param where the file or Secret it was read from, for the message.
 * @throws FabricError `invalid`, without any of the text
 */
export function parseAuthorityRecord(text: string, where: string): AuthorityRecord {
  const parsed = authorityRecord.safeParse(parseJson(text));
  if (parsed.success && keyMatchesCertificate(parsed.data.keyPem, parsed.data.certificatePem)) return parsed.data;
  throw new FabricError({
    code: 'invalid',
    message: `${where} does not hold a fabric authority: ${parsed.success ? 'its key does not belong to its certificate' : 'it is damaged or not written by Skyfabric'}`,
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
