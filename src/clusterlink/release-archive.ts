// Unpacking a release without trusting it: the archive's names never become paths, and of its entries only the program is
// written, to the one file that the caller named.
import { createReadStream, createWriteStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import { FabricError } from '../errors/fabric-error';

/** The program's name in every release archive (ClusterLink v0.4.1, .github/workflows/release.yml). */
const PROGRAM = 'clusterlink/clusterlink';
/** Everything that comes out of the gzip stream counts: programs, headers and padding. */
const MAX_UNPACKED_BYTES = 512 * 1024 * 1024;
/** The first byte of gzip data. */
const GZIP_MAGIC = 0x1f;

/**
 * Writes the program in the archive to the file `to`, which must not exist.
 * @param source names the archive in messages.
 * @param maxBytes of the whole archive, unpacked; default 512 MiB.
 * @throws FabricError `invalid` (not such an archive, unsafe entry, too large), `unavailable` (ends too early)
 */
export async function unpackRelease(
  archive: string,
  to: string,
  source: string,
  signal: AbortSignal,
  maxBytes = MAX_UNPACKED_BYTES,
): Promise<void> {
  const refuse = (why: string): FabricError =>
    new FabricError({
      code: 'invalid',
      message: `the archive ${source} ${why}`,
      hint: 'Do not use it: get the release from ClusterLink itself.',
    });
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  let problem: FabricError | undefined;
  let written: Promise<void> | undefined;
  let unpackedBytes = 0;
  let ended = false;

  const parser = new Parser({
    strict: true,
    zstd: false,
    onReadEntry: (entry) => {
      const why = whyUnsafe(entry);
      const again = isProgram(entry) && written !== undefined ? 'holds the program twice' : undefined;
      problem ??= why === undefined && again === undefined ? undefined : refuse(String(why ?? again));
      if (problem !== undefined) stop.abort();
      if (problem !== undefined || !isProgram(entry)) {
        entry.resume();
        return;
      }
      written = pipeline(entry as unknown as NodeJS.ReadableStream, createWriteStream(to, { flags: 'wx', mode: 0o600 }), {
        signal: either,
      });
      // Awaited below; a failure in between must not count as unhandled.
      written.catch(() => undefined);
      return entry;
    },
  });
  parser.on('eof', () => (ended = true));
  // The parser would unpack gzip data itself, unbounded and without a pause, and would gather what follows the archive's end.
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (unpackedBytes === 0 && chunk[0] === GZIP_MAGIC) problem ??= refuse('is compressed twice');
      unpackedBytes += chunk.length;
      if (unpackedBytes > maxBytes) problem ??= refuse('unpacks to more than a release can');
      if (problem !== undefined) done(problem);
      else if (ended) done();
      else done(null, chunk);
    },
  });
  try {
    await pipeline(createReadStream(archive), createGunzip(), meter, parser as unknown as NodeJS.WritableStream, { signal: either });
    await written;
  } catch (error) {
    // The program's file is closed before the caller removes it, whatever stopped the unpacking.
    stop.abort();
    await written?.catch(() => undefined);
    signal.throwIfAborted();
    throw problem ?? asUnreadable(error, source, refuse);
  }
  if (problem !== undefined) throw problem;
  if (written === undefined) throw refuse(`holds no ${PROGRAM}`);
}

function isProgram(entry: ReadEntry): boolean {
  return plainName(entry.path) === PROGRAM && isFile(entry);
}

function isFile(entry: ReadEntry): boolean {
  return entry.type === 'File' || entry.type === 'OldFile' || entry.type === 'ContiguousFile';
}

function whyUnsafe(entry: ReadEntry): string | undefined {
  const name = JSON.stringify(entry.path.slice(0, 120));
  if (/^([/\\]|[A-Za-z]:)/.test(entry.path) || entry.path.split(/[/\\]/).includes('..')) return `holds ${name}, which points outside of it`;
  if (!isFile(entry) && entry.type !== 'Directory') return `holds ${name}, a ${entry.type} instead of a plain file`;
  return undefined;
}

function plainName(path: string): string {
  return path.replace(/^(\.\/)+/, '');
}

function asUnreadable(error: unknown, source: string, refuse: (why: string) => FabricError): FabricError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR' || /unexpected end|truncated/i.test(message)) {
    return new FabricError({
      code: 'unavailable',
      message: `the archive ${source} ends too early (${message})`,
      hint: 'Try again, or give another mirror.',
      cause: error,
    });
  }
  return refuse(`cannot be unpacked (${message})`);
}
