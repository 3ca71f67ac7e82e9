// The keys of the payload codec: a private file that workers, commands and the codec server share,
// `{"current": "k2", "keys": {"k1": "<32 bytes in base64>", "k2": "…"}}`. New payloads are encrypted with the current key; any key of the
// file decrypts. Keys are kept as KeyObjects, which neither JSON nor a log shows.
import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { FabricError } from '../errors/fabric-error';
import { readPrivateFile, writePrivateFile } from '../files/private-file';

const KEY_BYTES = 32;
const BASE64_OF_KEY = /^[A-Za-z0-9+/]{43}=$/;
/** The id stands in every payload, in plain. */
const KEY_ID = /^[A-Za-z0-9][\w.-]{0,62}$/;

const codecKeyFile = z.strictObject({ current: z.string(), keys: z.record(z.string(), z.string()) });

/** The keys of a codec. */
export interface CodecKeys {
  /** The id of the key for new payloads. */
  readonly current: string;
  /** By id. */
  readonly keys: ReadonlyMap<string, KeyObject>;
  /** The file they are from, for messages. */
  readonly file: string;
}

const FLAG = 'the file of codec keys (--codec-keys)';
const PURPOSE = {
  holds: 'the keys that payloads are encrypted with',
  otherwise: 'add a new key with `skyfabric codec-keys --add` and use it: what the old ones encrypted can be read by whoever has them.',
};

/**
 * Reads the keys.
 * @param file absolute
 * @throws FabricError what readPrivateFile throws; `invalid` for other contents, without any of them
 */
export async function readCodecKeys(file: string): Promise<CodecKeys> {
  const text = await readPrivateFile(file, FLAG, PURPOSE);
  const parsed = codecKeyFile.safeParse(parseJson(text));
  if (!parsed.success) throw damaged(file, 'it is not {"current": ID, "keys": {ID: BASE64}}');
  // JSON.parse keeps the last of them, and what the other encrypted could no longer be read.
  if (parseDocument(text).errors.some(({ code }) => code === 'DUPLICATE_KEY')) throw damaged(file, 'it has two keys with the same id');
  const { current, keys } = parsed.data;
  const entries = Object.entries(keys);
  const wrong = entries.filter(([id, key]) => !KEY_ID.test(id) || !BASE64_OF_KEY.test(key)).map(([id]) => JSON.stringify(id.slice(0, 64)));
  if (wrong.length > 0)
    throw damaged(file, `${wrong.join(', ')}: a key is ${KEY_BYTES} bytes in base64, under an id of letters, digits, "." and "-"`);
  if (!Object.hasOwn(keys, current)) throw damaged(file, 'its current key is not among its keys');
  return { current, keys: new Map(entries.map(([id, key]) => [id, createSecretKey(key, 'base64')])), file };
}

/** Replaces the file. @throws FabricError what writePrivateFile throws */
export async function writeCodecKeys({ current, keys, file }: CodecKeys): Promise<void> {
  const texts = [...keys].map(([id, key]) => [id, key.export().toString('base64')] as const);
  await writePrivateFile(file, `${JSON.stringify({ current, keys: Object.fromEntries(texts) }, null, 2)}\n`);
}

/**
 * The keys with a new one. It is current only when there was none: others must know a key before anything is encrypted with it.
 * @param id by default `k<number>`, one more than the highest so far
 * @throws FabricError `invalid` for an id that no key may have, `conflict` for one that is taken
 */
export function withNewKey(before: CodecKeys | undefined, file: string, id: string = nextId(before)): CodecKeys {
  if (!KEY_ID.test(id)) {
    throw new FabricError({
      code: 'invalid',
      message: `${JSON.stringify(id)} cannot be the id of a key`,
      hint: 'Take up to 63 letters, digits, "." and "-", as in "2025-06".',
    });
  }
  if (before?.keys.has(id) === true) {
    throw new FabricError({ code: 'conflict', message: `${file} has a key ${id} already`, hint: 'Choose another id.', object: file });
  }
  const keys = new Map([...(before?.keys ?? []), [id, createSecretKey(randomBytes(KEY_BYTES))] as const]);
  return { current: before?.current ?? id, keys, file };
}

/** The keys with another current one. @throws FabricError `not_found` */
export function withCurrentKey(before: CodecKeys, id: string): CodecKeys {
  requireKey(before, id);
  return { ...before, current: id };
}

/** The keys without one. @throws FabricError `not_found`; `in_use` for the current key */
export function withoutKey(before: CodecKeys, id: string): CodecKeys {
  requireKey(before, id);
  if (id === before.current) {
    throw new FabricError({
      code: 'in_use',
      message: `${id} is the current key of ${before.file}`,
      hint: 'Use another one first, with --use.',
      object: before.file,
    });
  }
  return { ...before, keys: new Map([...before.keys].filter(([other]) => other !== id)) };
}

function requireKey({ keys, file }: CodecKeys, id: string): void {
  if (keys.has(id)) return;
  throw new FabricError({
    code: 'not_found',
    message: `${file} has no key ${JSON.stringify(id)}`,
    hint: `It has ${[...keys.keys()].join(', ')}.`,
    object: file,
  });
}

function nextId(before: CodecKeys | undefined): string {
  const numbers = [...(before?.keys.keys() ?? [])].map((id) => Number(/^k(\d{1,9})$/.exec(id)?.[1] ?? 0));
  return `k${Math.max(0, ...numbers) + 1}`;
}

/** JSON's own message quotes its input. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function damaged(file: string, why: string): FabricError {
  return new FabricError({
    code: 'invalid',
    message: `${file} does not hold codec keys: ${why}`,
    hint: 'Make one with `skyfabric codec-keys FILE --add`, or restore it from a backup.',
    object: file,
  });
}
