// What the two ways of fetching a Temporal CLI have in common: the version, and how a file reaches the cache.
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The version fetched when the machine has none (server 1.32, UI 2.54). */
export const TEMPORAL_CLI_VERSION = '1.9.1';

/** What a way of fetching the CLI is told. */
export interface CliFetch {
  /** Where the executable shall be, absolute. */
  readonly destination: string;
  readonly env: NodeJS.ProcessEnv;
  readonly onProgress: (text: string) => void;
}

/**
 * Lets `produce` make the executable in a directory of its own beside `destination`, and moves it there in one step:
 * parallel runs never see half a file.
 */
export async function fetchInto(destination: string, produce: (directory: string) => Promise<string>): Promise<string> {
  const cache = dirname(destination);
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(join(cache, 'fetch-'));
  try {
    await rename(await produce(directory), destination);
    return destination;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
