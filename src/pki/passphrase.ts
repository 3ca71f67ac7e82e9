// The passphrase of a key store, from a private file: never from the command line or the environment, which other processes can read.
import { FabricError } from '../errors/fabric-error';
import { readPrivateFile } from '../files/private-file';

const LEAST_LENGTH = 12;
/** What reading as UTF-8 puts in the place of other bytes. */
const NO_TEXT = '\ufffd';
const FLAG = 'the passphrase file';
const PURPOSE = { holds: 'the passphrase of a key store', otherwise: 'change the passphrase with `skyfabric seal`.' };

/**
 * Reads a passphrase; a line end at its end does not belong to it.
 * @param file absolute
 * @throws FabricError what readPrivateFile throws; `invalid` for one that is too short, or no text in UTF-8
 */
export async function readPassphrase(file: string): Promise<string> {
  const passphrase = (await readPrivateFile(file, FLAG, PURPOSE)).replace(/\r?\n$/, '').normalize('NFC');
  // Bytes that are no text all become the same character, so that little would be left to guess of a key in binary.
  const isText = !passphrase.includes(NO_TEXT);
  if (isText && passphrase.trim().length >= LEAST_LENGTH) return passphrase;
  throw new FabricError({
    code: 'invalid',
    message: `the passphrase in ${file} is ${isText ? `shorter than ${LEAST_LENGTH} characters` : 'no text in UTF-8'}`,
    hint: `Make a long one, as in: (umask 077; openssl rand -base64 32 > ${file})`,
    object: file,
  });
}
