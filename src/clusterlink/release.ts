// ClusterLink's own command-line program, installed from its releases: each tag and platform in a folder of its own, held
// to a SHA-256 digest, published in one atomic step, and left alone while it is whole.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { FabricError } from '../errors/fabric-error';
import { releaseTag } from '../model/gateway';
import { unpackRelease } from './release-archive';
import { fetchRelease, releaseLocation, type DownloadProgress } from './release-download';
import { publishRecord, readRecord, type ReleaseRecord } from './release-record';

/** Architectures and systems for which ClusterLink publishes its program. */
export interface ReleasePlatform {
  readonly os: 'linux' | 'darwin';
  readonly arch: 'amd64' | 'arm64';
}

export interface InstallReleaseOptions {
  /** `v0.4.1`; moving names such as `latest` are refused. */
  readonly tag: string;
  /** The folder under which `clusterlink/<tag>/<os>-<arch>/clusterlink` is made. */
  readonly directory: string;
  /** A mirror (https: URL, file: URL or local path) laid out as GitHub's download folder, or one `.tar.gz`; default GitHub. */
  readonly source?: string | undefined;
  /** SHA-256 of the archive, 64 hex digits; without it the digest recorded by the first install is held to. */
  readonly digest?: string | undefined;
  /** Default: this machine. */
  readonly platform?: ReleasePlatform | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

export interface InstalledRelease {
  /** Absolute path of the program. */
  readonly path: string;
  /** SHA-256 of the archive it came from, in hex. */
  readonly digest: string;
  /** `false` when a whole program was there already and nothing was fetched. */
  readonly installed: boolean;
  /** Whether the archive was held to a digest known beforehand, given or recorded; `false` on a first, trusting install. */
  readonly pinned: boolean;
}

const DIGEST = /^[0-9a-f]{64}$/;
const PROGRAM = 'clusterlink';
const VERSION_TIMEOUT_MS = 10_000;

/** A program of another platform, or on a volume mounted `noexec`, cannot be tried here: that says nothing against it. */
const CANNOT_EXECUTE = new Set(['ENOEXEC', 'EACCES', 'ENOENT', 'ETXTBSY']);

/**
 * Returns the tag when it names one release for ever.
 * @throws FabricError `invalid`
 */
export function requireReleaseTag(tag: string): string {
  const parsed = releaseTag.safeParse(tag);
  if (parsed.success) return parsed.data;
  throw new FabricError({
    code: 'invalid',
    message: `ClusterLink release tag ${JSON.stringify(tag.slice(0, 80))} is not a version`,
    hint: 'Give a version such as "v0.4.1"; a moving name such as "latest" would install something else each time.',
  });
}

/**
 * The platform of this machine, in the words of ClusterLink's release files.
 * @throws FabricError `invalid` on a system without releases
 */
export function hostPlatform(): ReleasePlatform {
  const os = process.platform;
  const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch as string] as ReleasePlatform['arch'] | undefined;
  if ((os === 'linux' || os === 'darwin') && arch !== undefined) return { os, arch };
  throw new FabricError({
    code: 'invalid',
    message: `ClusterLink publishes no program for ${process.platform} on ${process.arch}`,
    hint: 'Run the worker on Linux or macOS, amd64 or arm64, or leave the program out: Skyfabric works without it.',
  });
}

/**
 * Makes sure that the program of one release is installed. Two installs at the same time are safe; nothing is retried here.
 * @throws FabricError `invalid` (tag, digest, source, archive), `conflict` (wrong digest), `not_found` (no such release),
 * `unavailable` (5xx, or the transfer broke), `unreachable` (no connection); the signal's reason when it is aborted
 */
export async function installRelease(options: InstallReleaseOptions): Promise<InstalledRelease> {
  const { signal } = options;
  const tag = requireReleaseTag(options.tag);
  const given = options.digest === undefined ? undefined : requireDigest(options.digest);
  const platform = options.platform ?? hostPlatform();
  const location = releaseLocation(options.source, tag, platform);
  const folder = resolve(options.directory, PROGRAM, tag, `${platform.os}-${platform.arch}`);
  const path = join(folder, PROGRAM);

  const recorded = await readRecord(folder);
  if (recorded !== undefined && given !== undefined) requireSame(given, recorded.archive, `the digest recorded in ${folder}`, folder);
  if (recorded !== undefined && (await digestOf(path, signal)) === recorded.program) {
    return { path, digest: recorded.archive, installed: false, pinned: true };
  }

  const expected = given ?? recorded?.archive;
  await mkdir(folder, { recursive: true });
  // Inside the folder, so that the rename below never crosses a file system.
  const partial = await mkdtemp(join(folder, '.partial-'));
  try {
    const archive = join(partial, 'archive.tar.gz');
    const program = join(partial, PROGRAM);
    const digest = await fetchRelease(location, archive, { signal, onProgress: options.onProgress });
    if (expected !== undefined) requireSame(expected, digest, `the archive at ${location.name}`, folder);
    await unpackRelease(archive, program, location.name, signal);
    await chmod(program, 0o755);
    if (samePlatform(platform)) await requireRuns(program, location.name, signal);
    await publish(folder, program, { archive: digest, program: await requireDigestOf(program, signal) }, signal);
    return { path, digest, installed: true, pinned: expected !== undefined };
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** The record goes first: whatever stops between the two steps leaves a program that differs from it, so one to install again. */
async function publish(folder: string, program: string, record: ReleaseRecord, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const first = await publishRecord(folder, record);
  requireSame(first.archive, record.archive, 'the archive fetched just now by this install', folder);
  await rename(program, join(folder, PROGRAM));
}

function requireDigest(digest: string): string {
  const hex = digest.toLowerCase().replace(/^sha256:/, '');
  if (DIGEST.test(hex)) return hex;
  throw new FabricError({
    code: 'invalid',
    message: `release digest ${JSON.stringify(digest.slice(0, 80))} is not a SHA-256 digest`,
    hint: 'Give the 64 hex digits that `sha256sum` prints for the archive.',
  });
}

function requireSame(expected: string, seen: string, what: string, folder: string): void {
  if (expected === seen) return;
  throw new FabricError({
    code: 'conflict',
    message: `wrong SHA-256 digest: expected ${expected}, but ${what} is ${seen}`,
    hint: `Find out why the release differs; if it was replaced for a good reason, remove ${folder} and give the new digest.`,
    object: folder,
  });
}

async function digestOf(path: string, signal: AbortSignal): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return hash.digest('hex');
}

async function requireDigestOf(path: string, signal: AbortSignal): Promise<string> {
  const digest = await digestOf(path, signal);
  if (digest !== undefined) return digest;
  throw new FabricError({ code: 'unavailable', message: `${path} went away while it was being installed`, hint: 'Try again.' });
}

function samePlatform(platform: ReleasePlatform): boolean {
  return platform.os === process.platform && { amd64: 'x64', arm64: 'arm64' }[platform.arch] === process.arch;
}

async function requireRuns(program: string, source: string, signal: AbortSignal): Promise<void> {
  const timeout = AbortSignal.timeout(VERSION_TIMEOUT_MS);
  let failure: string | undefined;
  try {
    failure = await tryVersion(program, AbortSignal.any([signal, timeout]));
  } catch (error) {
    signal.throwIfAborted();
    const code = String((error as NodeJS.ErrnoException).code);
    if (CANNOT_EXECUTE.has(code)) return;
    failure = timeout.aborted ? 'did not end in time' : `failed (${code})`;
  }
  if (failure === undefined) return;
  throw new FabricError({
    code: 'invalid',
    message: `the program from ${source} does not run: "clusterlink --version" ${failure}`,
    hint: 'Check that the archive is a ClusterLink release for this platform.',
  });
}

/** Says how `--version` failed, if it did; no process of the program outlives the call. */
async function tryVersion(program: string, signal: AbortSignal): Promise<string | undefined> {
  signal.throwIfAborted();
  // An empty environment: what was downloaded is told nothing of this process. Detached: it leads a group that ends whole.
  const child = spawn(program, ['--version'], { env: {}, stdio: 'ignore', detached: true });
  try {
    const [code, killedBy] = (await once(child, 'exit', { signal })) as [number | null, NodeJS.Signals | null];
    return code === 0 ? undefined : `failed (${code ?? String(killedBy)})`;
  } finally {
    if (child.pid !== undefined) killGroup(child.pid);
  }
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    // ESRCH: all are gone. EPERM: macOS says so of a group in which all have ended.
    if (!['ESRCH', 'EPERM'].includes(String((error as NodeJS.ErrnoException).code))) throw error;
  }
}
