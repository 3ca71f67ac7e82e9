// The `file:` key store: `<directory>/<fabric>/authority.<version>.json`, directories 0700, files 0600. Processes in parallel
// need no lock: a version appears whole by hard link, which one writer wins, and a number once taken is not given again.
//
// What an earlier version held is wiped as soon as the next one stands, but its empty file keeps the number for KEPT_VERSIONS
// more, so that a writer who was slow cannot take it a second time. A removed authority is a version that says `removed`.
// Files and directories that others may read are refused, not mended: the key may have been copied, and somebody should know.
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { FabricError } from '../errors/fabric-error';
import { requirePrivate } from '../files/private-file';
import { requireDnsLabel } from '../model/names';
import { RecordFormat, type AuthorityRecord, type WrittenRecord } from './authority-record';
import type { AuthorityBackend } from './authority-store';

const KEPT_VERSIONS = 32;
/** An empty partial file older than this was left by a worker that died while it wiped. */
const ABANDONED_MS = 3_600_000;
const REMOVED = '{"removed":true}\n';
const VERSION_FILE = /^authority\.([1-9]\d{0,14})\.json$/;
const PURPOSE = { holds: 'a private key', otherwise: "replace the fabric's authority." };
const PARTIAL_FILE = /^authority\.[-0-9a-f]+\.partial$/;

/** Keeps authorities in a directory that is made when the first one is written. */
export class FileBackend implements AuthorityBackend {
  readonly description: string;

  /**
   * @param directory absolute path on a local disk with hard links; workers on several machines share the `kubernetes:` store instead.
   * @param format by default keys are written in plain.
   */
  constructor(
    private readonly directory: string,
    private readonly format = new RecordFormat(),
  ) {
    this.description = `the key store ${directory}`;
  }

  /** @throws FabricError `forbidden` for wrong permissions or a wrong passphrase, `invalid` for a damaged file, `unavailable` when the disk fails */
  async read(fabric: string): Promise<{ record: AuthorityRecord; version: string } | undefined> {
    const found = await this.standing(fabric);
    return found && { record: await this.format.parse(fabric, found.text, found.path), version: found.version };
  }

  /** @throws FabricError as {@link read}, but for the passphrase */
  async find(fabric: string): Promise<{ record: () => WrittenRecord; version: string } | undefined> {
    const found = await this.standing(fabric);
    return found && { record: () => this.format.parseUnopened(found.text, found.path), version: found.version };
  }

  /** @throws FabricError as {@link read} */
  async write(fabric: string, record: WrittenRecord, version: string | undefined): Promise<boolean> {
    return this.append(fabric, await this.format.format(fabric, record), version);
  }

  /** @throws FabricError as {@link read} */
  remove(fabric: string, version: string): Promise<boolean> {
    return this.append(fabric, REMOVED, version);
  }

  private standing(fabric: string): Promise<{ text: string; path: string; version: string } | undefined> {
    const folder = this.folderOf(fabric);
    return telling(`read the authority of fabric ${fabric}`, folder, async () => {
      const latest = await readLatest(folder);
      if (latest === undefined || latest.text === REMOVED) return undefined;
      return { text: latest.text, path: versionPath(folder, latest.version), version: String(latest.version) };
    });
  }

  private append(fabric: string, text: string, replaced: string | undefined): Promise<boolean> {
    const folder = this.folderOf(fabric);
    return telling(`write the authority of fabric ${fabric}`, folder, async () => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const latest = await readLatest(folder);
      const standing = latest === undefined || latest.text === REMOVED ? undefined : String(latest.version);
      if (standing !== replaced) return false;
      const version = (latest?.version ?? 0) + 1;
      if (!(await publish(folder, version, text))) return false;
      await wipeEarlier(folder, version);
      return true;
    });
  }

  private folderOf(fabric: string): string {
    return join(this.directory, requireDnsLabel(fabric, 'fabric'));
  }
}

/** The highest version and its text; `undefined` when nothing was ever written. */
async function readLatest(folder: string): Promise<{ version: number; text: string } | undefined> {
  const found = await orMissing(stat(folder));
  if (found === undefined) return undefined;
  requirePrivate(folder, found.mode, '700', PURPOSE);
  for (let seen = 0; ;) {
    const version = (await listVersions(folder)).at(-1);
    if (version === undefined) return undefined;
    const text = (await readPrivate(versionPath(folder, version))) ?? '';
    // Wiped or gone means that the next version came in between, so look again; if there is none, the file is damaged.
    if (text !== '' || version === seen) return { version, text };
    seen = version;
  }
}

async function listVersions(folder: string): Promise<number[]> {
  const names = await orMissing(readdir(folder));
  const versions = (names ?? []).flatMap((name) => VERSION_FILE.exec(name)?.[1] ?? []);
  return versions.map(Number).sort((a, b) => a - b);
}

async function readPrivate(path: string): Promise<string | undefined> {
  const file = await orMissing(open(path, 'r'));
  if (file === undefined) return undefined;
  return closing(file, async () => {
    requirePrivate(path, (await file.stat()).mode, '600', PURPOSE);
    return file.readFile('utf8');
  });
}

/** Puts the text, whole and on the disk, under the version's name; `false` when somebody has taken it. */
async function publish(folder: string, version: number, text: string): Promise<boolean> {
  const path = versionPath(folder, version);
  const partial = await writePartial(folder, text);
  try {
    await link(partial, path);
  } catch (error) {
    // Taken; or cleared away by somebody whose version came in between.
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') return false;
    throw error;
  } finally {
    await rm(partial, { force: true });
  }
  // So many versions passed by since the one we replace was read that our number may have been cleared away before: not ours.
  const highest = (await listVersions(folder)).at(-1) ?? version;
  if (highest >= version + KEPT_VERSIONS) {
    await rm(path, { force: true });
    return false;
  }
  await syncFolder(folder);
  return true;
}

/**
 * Takes the keys out of all earlier versions, and clears away what is old. A partial file with something in it may hold a key in plain: it is
 * of a writer that died, or of one that this version has overtaken and that tries again.
 */
async function wipeEarlier(folder: string, version: number): Promise<void> {
  for (const earlier of await listVersions(folder)) {
    const path = versionPath(folder, earlier);
    if (earlier <= version - KEPT_VERSIONS) await rm(path, { force: true });
    else if (earlier < version && ((await orMissing(stat(path)))?.size ?? 0) > 0) await rename(await writePartial(folder, ''), path);
  }
  for (const name of (await readdir(folder)).filter((entry) => PARTIAL_FILE.test(entry))) {
    const found = await orMissing(stat(join(folder, name)));
    if (found !== undefined && (found.size > 0 || Date.now() - found.mtimeMs > ABANDONED_MS)) await rm(join(folder, name), { force: true });
  }
}

async function writePartial(folder: string, text: string): Promise<string> {
  const path = join(folder, `authority.${randomUUID()}.partial`);
  const file = await open(path, 'wx', 0o600);
  try {
    await closing(file, async () => {
      await file.writeFile(text);
      await file.sync();
    });
  } catch (error) {
    // A full disk takes the first part of a key.
    await rm(path, { force: true });
    throw error;
  }
  return path;
}

/** Makes the new name itself durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await closing(handle, () => handle.sync());
}

async function closing<T>(file: FileHandle, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } finally {
    await file.close();
  }
}

function versionPath(folder: string, version: number): string {
  return join(folder, `authority.${version}.json`);
}

async function orMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Runs `act`, and says of a file system's failure what was tried, where, and what to do. */
async function telling<T>(action: string, folder: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof FabricError) throw error;
    const code = codeOf(error);
    const path = (error as NodeJS.ErrnoException).path ?? folder;
    const forbidden = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
    const noFolder = code === 'ENOTDIR' || code === 'EEXIST';
    throw new FabricError({
      code: forbidden ? 'forbidden' : noFolder ? 'invalid' : 'unavailable',
      message: `Cannot ${action}: ${path}: ${code ?? 'failed'}`,
      hint: forbidden
        ? `Give the user of this worker a key store directory that it owns, on a disk with hard links; see the permissions of ${path}.`
        : noFolder
          ? `Choose a key store directory; ${path} is, or lies below, something else.`
          : `See whether the disk that holds ${folder} is full or failing.`,
      object: path,
      cause: error,
    });
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
