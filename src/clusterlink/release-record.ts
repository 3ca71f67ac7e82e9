// What the first install of a release saw, kept beside the program: every later install is held to it.
import { link, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FabricError } from '../errors/fabric-error';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const releaseRecord = z.object({ archive: sha256, program: sha256 });

/** SHA-256 digests, in hex, of a release's archive and of the program unpacked from it. */
export type ReleaseRecord = Readonly<z.infer<typeof releaseRecord>>;

/**
 * Reads the record of an earlier install, if there was one.
 * @throws FabricError `conflict` when there is one that cannot be read: ignoring it would quietly lift the pin
 */
export async function readRecord(folder: string): Promise<ReleaseRecord | undefined> {
  let text: string;
  try {
    text = await readFile(recordPath(folder), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const parsed = releaseRecord.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new FabricError({
    code: 'conflict',
    message: `${recordPath(folder)} does not hold the digests that an earlier install recorded`,
    hint: `Remove ${folder} to install the release anew.`,
    object: recordPath(folder),
  });
}

/**
 * Writes the record, whole, unless another install was first; returns the one that stands.
 * @throws FabricError `conflict` as {@link readRecord}
 */
export async function publishRecord(folder: string, record: ReleaseRecord): Promise<ReleaseRecord> {
  const partial = await mkdtemp(join(folder, '.record-'));
  try {
    const written = join(partial, 'release.json');
    await writeFile(written, `${JSON.stringify(record)}\n`);
    // A hard link appears whole and fails when the name is taken, so that of two installs exactly one sets the pin.
    await link(written, recordPath(folder));
    return record;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return (await readRecord(folder)) ?? record;
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

function recordPath(folder: string): string {
  return join(folder, 'release.json');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
