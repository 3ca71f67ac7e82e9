// What the codec's commands need, in one place for loading it late.
import { FabricError, isFabricError } from '../errors/fabric-error';
import { readPrivateFile } from '../files/private-file';
import { readCodecKeys, type CodecKeys } from '../temporal/codec-keys';

export { readCodecKeys, withCurrentKey, withNewKey, withoutKey, writeCodecKeys } from '../temporal/codec-keys';
export { startCodecServer } from '../temporal/codec-server';

/** The keys of the file; `undefined` when it is not there. @throws otherwise as readCodecKeys */
export async function existingCodecKeys(file: string): Promise<CodecKeys | undefined> {
  try {
    return await readCodecKeys(file);
  } catch (error) {
    if (isFabricError(error, 'not_found')) return undefined;
    throw error;
  }
}

/** The codec server's token. @throws as readPrivateFile; `invalid` for an empty one */
export async function readToken(file: string): Promise<string> {
  const token = (await readPrivateFile(file, '--token-file', { holds: "the codec server's token", otherwise: 'make a new one.' })).trim();
  if (token.length >= 16) return token;
  throw new FabricError({
    code: 'invalid',
    message: `the token in ${file} is shorter than 16 characters`,
    hint: `Make a long one, as in: (umask 077; openssl rand -hex 32 > ${file})`,
    object: file,
  });
}
