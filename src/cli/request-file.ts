// A whole request from a YAML or JSON file, over which flags are laid.
import { closeSync, openSync, readSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { isRecord } from '../model/problems';
import { oneLine } from '../errors/plain-text';
import type { Problems } from './problems';

const MAX_BYTES = 1_000_000;

/** Reads a request; an unreadable one is a problem, and counts as empty. Paths of kubeconfigs start at the file. */
export function readRequestFile(file: string | undefined, cwd: string, problems: Problems): Record<string, unknown> {
  if (file === undefined) return {};
  const path = resolve(cwd, file);
  try {
    const text = readBounded(path);
    // Without aliases: a small file of them can stand for a huge request.
    const request: unknown = parse(text, { maxAliasCount: 0, logLevel: 'error' });
    if (!isRecord(request)) throw new Error('must hold one object, with the fields of a request');
    return withAbsolutePaths(request, dirname(path));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const nested = error instanceof RangeError || /call stack/.test((error as Error).message);
    const [why = ''] = missing ? [`there is no file ${path}`] : nested ? ['is nested too deeply'] : (error as Error).message.split('\n');
    problems.add(`--file ${file}: ${oneLine(why)}`, '');
    return {};
  }
}

/** Reads no more than is allowed, also of what has no end, such as a device. */
function readBounded(path: string): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (;;) {
      const read = readSync(file, bytes, length, bytes.length - length, null);
      length += read;
      if (length > MAX_BYTES) throw new Error('is larger than 1 MB');
      if (read === 0) return bytes.toString('utf8', 0, length);
    }
  } finally {
    closeSync(file);
  }
}

/** Places that hold one of several kinds, and the member that tells which: the members of one kind mean nothing in another. */
const KINDS: Readonly<Record<string, string>> = { links: 'kind', verify: 'mode' };

/**
 * The request with the flags' places put in: objects are joined, unless they are of different kinds; all else is replaced, and what is
 * undefined stays as it was.
 */
export function layOver(base: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  const joined = Object.entries(patch).flatMap(([key, value]) => {
    const below = Object.hasOwn(base, key) ? base[key] : undefined;
    if (value === undefined) return [];
    const kind = KINDS[key];
    const same = isRecord(below) && isRecord(value) && (kind === undefined || below[kind] === value[kind]);
    return [[key, same ? layOver(below, value) : value] as const];
  });
  return { ...base, ...Object.fromEntries(joined) };
}

function withAbsolutePaths(request: Record<string, unknown>, directory: string): Record<string, unknown> {
  const { peers } = request;
  if (!Array.isArray(peers)) return request;
  return {
    ...request,
    peers: peers.map((peer: unknown) =>
      isRecord(peer) && typeof peer['kubeconfig'] === 'string' ? { ...peer, kubeconfig: resolve(directory, peer['kubeconfig']) } : peer,
    ),
  };
}
