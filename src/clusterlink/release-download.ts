// Where a release's archive is found, and how it reaches this machine: https (plain http on loopback only) or a local file.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { FabricError, isFabricError } from '../errors/fabric-error';

/** Bytes of the archive so far; `total` when the server told it. */
export interface DownloadProgress {
  readonly received: number;
  readonly total: number | undefined;
}

/** An archive's place: a URL (https:, http: on loopback, or file:) and that place as messages name it. */
export interface ReleaseLocation {
  readonly url: URL;
  /** Without user, password and query, which may hold a secret. */
  readonly name: string;
}

interface FetchReleaseOptions {
  readonly signal: AbortSignal;
  readonly onProgress: ((progress: DownloadProgress) => void) | undefined;
}

const GITHUB = 'https://github.com/clusterlink-net/clusterlink/releases/download';
const MAX_ARCHIVE_BYTES = 256 * 1024 * 1024;
const MAX_REDIRECTS = 5;
/** A mirror that sends nothing for this long is taken for dead; the whole transfer is bounded by the caller's signal. */
const SILENCE_MS = 30_000;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Works out where the archive of a release is.
 * @param source a mirror's folder (`<source>/<tag>/<file>`), or the archive itself when it ends in `.tar.gz`; default GitHub
 * @throws FabricError `invalid` for a URL that is neither https: nor file: (http: is for loopback hosts)
 */
export function releaseLocation(
  source: string | undefined,
  tag: string,
  platform: { readonly os: string; readonly arch: string },
): ReleaseLocation {
  const base = toUrl(source ?? GITHUB);
  if (!base.pathname.endsWith('.tar.gz')) {
    base.pathname = `${base.pathname.replace(/\/+$/, '')}/${tag}/clusterlink-${platform.os}-${platform.arch}.tar.gz`;
  }
  return locate(base);
}

/**
 * Copies the archive to the file `to`, and returns its SHA-256 in hex.
 * @throws FabricError `not_found`, `forbidden`, `unavailable`, `unreachable`, `invalid` (too large, unsafe redirect)
 */
export async function fetchRelease(location: ReleaseLocation, to: string, options: FetchReleaseOptions): Promise<string> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const signal = AbortSignal.any([options.signal, silence.signal]);
  try {
    const { body, total } = location.url.protocol === 'file:' ? openFile(location) : await openUrl(location, signal);
    const hash = createHash('sha256');
    let received = 0;
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        timer.refresh();
        received += chunk.length;
        if (received > MAX_ARCHIVE_BYTES) {
          done(tooLarge(location));
          return;
        }
        hash.update(chunk);
        options.onProgress?.({ received, total });
        done(null, chunk);
      },
    });
    await pipeline(body, meter, createWriteStream(to, { flags: 'wx' }), { signal });
    if (total !== undefined && received !== total) throw broken(location, `${received} of ${total} bytes came`);
    return hash.digest('hex');
  } catch (error) {
    options.signal.throwIfAborted();
    if (silence.signal.aborted) throw broken(location, `nothing came for ${SILENCE_MS / 1000} s`);
    throw isFabricError(error) ? error : asTransferFailure(error, location);
  } finally {
    clearTimeout(timer);
  }
}

function openFile(location: ReleaseLocation): { body: Readable; total: undefined } {
  return { body: createReadStream(fileURLToPath(location.url)), total: undefined };
}

async function openUrl(from: ReleaseLocation, signal: AbortSignal): Promise<{ body: Readable; total: number | undefined }> {
  let location = from;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const response = await fetch(...requestOf(location.url, signal));
    const target = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && target !== null) {
      await response.body?.cancel();
      location = redirected(location, target);
      continue;
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw refused(location, response);
    }
    const length = Number(response.headers.get('content-length') ?? Number.NaN);
    if (length > MAX_ARCHIVE_BYTES) {
      await response.body.cancel();
      throw tooLarge(location);
    }
    return { body: Readable.fromWeb(response.body), total: Number.isNaN(length) ? undefined : length };
  }
  throw new FabricError({
    code: 'invalid',
    message: `${from.name} redirects more than ${MAX_REDIRECTS} times`,
    hint: 'Give the URL it should end at.',
  });
}

function requestOf(from: URL, signal: AbortSignal): [URL, RequestInit] {
  const url = new URL(from);
  // Asked for as it is: a server that re-encodes the archive would change its digest.
  const headers = new Headers({ 'accept-encoding': 'identity' });
  if (url.username !== '') {
    // fetch refuses a URL that holds a password, and repeats it in its message.
    const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    headers.set('authorization', `Basic ${Buffer.from(login).toString('base64')}`);
    url.username = '';
    url.password = '';
  }
  return [url, { signal, redirect: 'manual', headers }];
}

function redirected(from: ReleaseLocation, target: string): ReleaseLocation {
  const url = URL.canParse(target, from.url.href) ? new URL(target, from.url.href) : undefined;
  const downgrade = from.url.protocol === 'https:' && url?.protocol !== 'https:';
  if (url === undefined || downgrade || url.protocol === 'file:') {
    throw new FabricError({
      code: 'invalid',
      message: `${from.name} redirects to ${url === undefined ? 'something that is not a URL' : nameOf(url)}, which is not https:`,
      hint: 'Give a mirror that serves the release over https: all the way.',
    });
  }
  return locate(url);
}

function toUrl(source: string): URL {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(source) && URL.canParse(source) ? new URL(source) : pathToFileURL(resolve(source));
}

function locate(url: URL): ReleaseLocation {
  const safe = url.protocol === 'https:' || url.protocol === 'file:' || (url.protocol === 'http:' && LOOPBACK.has(url.hostname));
  if (safe) return { url, name: nameOf(url) };
  throw new FabricError({
    code: 'invalid',
    message: `release source ${nameOf(url)} is not https:`,
    hint: 'Give an https: URL, a file: URL or a path; http: is accepted for this machine only.',
  });
}

function nameOf(url: URL): string {
  return url.protocol === 'file:' ? url.pathname : `${url.protocol}//${url.host}${url.pathname}`;
}

function refused(location: ReleaseLocation, response: Response): FabricError {
  const { status } = response;
  const message = `${location.name} answers ${status} ${response.statusText}`.trimEnd();
  if (status === 404 || status === 410) {
    return new FabricError({
      code: 'not_found',
      message,
      hint: 'Check the tag and the mirror: no such release is there for this platform.',
    });
  }
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    const retryAfterMs = seconds >= 0 ? seconds * 1000 : undefined;
    return new FabricError({ code: 'unavailable', message, hint: 'Try again later, or give another mirror.', retryAfterMs });
  }
  return new FabricError({ code: 'forbidden', message, hint: 'Check the URL, or fetch the archive yourself and give its path.' });
}

function asTransferFailure(error: unknown, location: ReleaseLocation): FabricError {
  const cause = innermost(error);
  if (location.url.protocol === 'file:' && (cause.code === 'ENOENT' || cause.code === 'EISDIR')) {
    return new FabricError({
      code: 'not_found',
      message: `there is no archive at ${location.name}`,
      hint: 'Check the path, the tag and the platform.',
      cause: error,
    });
  }
  // `fetch failed` is a connection that never stood; everything later is a transfer that broke.
  if ((error as Error).message !== 'fetch failed') return broken(location, cause.message, error);
  return new FabricError({
    code: 'unreachable',
    message: `${location.name} cannot be reached: ${cause.message}`,
    hint: 'Check the network; proxies are not used, so behind one fetch the archive yourself and give its path.',
    cause: error,
  });
}

function broken(location: ReleaseLocation, why: string, cause?: unknown): FabricError {
  return new FabricError({
    code: 'unavailable',
    message: `the transfer of ${location.name} broke off: ${why}`,
    hint: 'Try again, or give another mirror.',
    cause,
  });
}

function tooLarge(location: ReleaseLocation): FabricError {
  return new FabricError({
    code: 'invalid',
    message: `${location.name} is larger than ${MAX_ARCHIVE_BYTES / 1024 / 1024} MiB, so it is no ClusterLink release`,
    hint: 'Check the mirror.',
  });
}

/** Node puts the reason that helps (`ECONNREFUSED 127.0.0.1:1`) at the end of the chain of causes. */
function innermost(error: unknown): NodeJS.ErrnoException {
  const { cause } = error as Error;
  return cause === undefined || cause === null ? (error as NodeJS.ErrnoException) : innermost(cause);
}
