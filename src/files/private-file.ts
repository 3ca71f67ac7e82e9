// Files that hold a secret: only their owner may read them, and they are replaced whole or not at all. A file that others may read is
// refused, not mended: what it holds may have been copied, and somebody should know. No content ever reaches an error.
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FabricError } from '../errors/fabric-error';

/** A secret of this project is far smaller; anything larger is another file, named by mistake. */
const MOST_BYTES = 1024 * 1024;

/** What a file is for, as its messages have it. */
export interface FilePurpose {
  /** What it holds: `a private key`. */
  readonly holds: string;
  /** What to do when it has to be given up, because others could read it. */
  readonly otherwise: string;
}

/**
 * Refuses a file or directory that others than its owner may read.
 * @param mode as `stat` tells it
 * @throws FabricError `forbidden`
 */
export function requirePrivate(path: string, mode: number, wanted: '600' | '700', { holds, otherwise }: FilePurpose): void {
  if ((mode & 0o077) === 0) return;
  throw new FabricError({
    code: 'forbidden',
    message: `${path} holds ${holds} and is open to others (mode ${(mode & 0o777).toString(8)})`,
    hint: `If nobody can have copied it, run: chmod ${wanted} ${path}. Otherwise ${otherwise}`,
    object: path,
  });
}

/**
 * Reads a private file, as UTF-8.
 * @param flag the option that named it, for the messages
 * @throws FabricError `not_found`; `forbidden` when others may read it, or we may not; `invalid` for what is no file
 */
export async function readPrivateFile(path: string, flag: string, purpose: FilePurpose): Promise<string> {
  try {
    // A named pipe would keep us waiting for its writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return await closing(file, async () => {
      const stat = await file.stat();
      if (!stat.isFile()) throw Object.assign(new Error(), { code: stat.isDirectory() ? 'EISDIR' : 'it is no file' });
      requirePrivate(path, stat.mode, '600', purpose);
      if (stat.size > MOST_BYTES) throw Object.assign(new Error(), { code: 'EFBIG' });
      return file.readFile('utf8');
    });
  } catch (error) {
    throw told(error, `${flag} cannot be read`, path);
  }
}

/**
 * Writes a private file, whole and on the disk, in place of what was there: behind a link, in place of what it leads to.
 * @throws FabricError `forbidden`, `invalid`, `unavailable`
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  try {
    const target = await realpath(path).catch(() => path);
    const partial = `${target}.${randomUUID()}.partial`;
    try {
      const file = await open(partial, 'wx', 0o600);
      await closing(file, async () => {
        await file.writeFile(text);
        await file.sync();
      });
      await rename(partial, target);
    } finally {
      await rm(partial, { force: true });
    }
    const folder = await open(dirname(target), 'r');
    await closing(folder, () => folder.sync());
  } catch (error) {
    throw told(error, 'a private file cannot be written', path);
  }
}

async function closing<T>(file: FileHandle, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } finally {
    await file.close();
  }
}

function told(error: unknown, what: string, path: string): FabricError {
  if (error instanceof FabricError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? 'failed';
  const kind = CODES[code] ?? 'unavailable';
  return new FabricError({ code: kind, message: `${what}: ${path}: ${code}`, hint: HINTS[kind], object: path, cause: error });
}

const CODES: Readonly<Record<string, keyof typeof HINTS>> = {
  ENOENT: 'not_found',
  EACCES: 'forbidden',
  EPERM: 'forbidden',
  EROFS: 'forbidden',
  EISDIR: 'invalid',
  'it is no file': 'invalid',
  ENOTDIR: 'invalid',
  EFBIG: 'invalid',
};

const HINTS = {
  not_found: 'Correct the path, or make the file.',
  forbidden: 'Give the file to the user of this process, with mode 600.',
  invalid: 'Name a file of at most 1 MiB.',
  unavailable: 'See whether the disk is full or failing.',
} as const;
