// Has Temporal's SDK download the Temporal CLI. The SDK offers this only as part of starting a test server, without a
// time limit and with a process-wide runtime as a side effect, so it is done in a child process that we can end.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type CliFetch, fetchInto, TEMPORAL_CLI_VERSION } from './cli-fetch';
import { runCommand } from './command';

/** No byte for so long: a firewall that drops packets, and not a slow line. */
const STALL_MS = 10_000;
const TOTAL_MS = 15 * 60_000;

// The server that is started after the download is ended at once.
const DOWNLOAD_SCRIPT = `
const [, testing, downloadDir, version] = process.argv;
const { TestWorkflowEnvironment } = require(testing);
TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'cached-download', downloadDir, version } } })
  .then((environment) => environment.teardown())
  .catch((error) => { console.error(error.message); process.exitCode = 1; });
`;

/**
 * Downloads the CLI with the SDK into `destination` and returns that path.
 *
 * @throws Error when the download fails, or when nothing arrives for 10 seconds.
 */
export async function downloadWithSdk(fetch: CliFetch, stallMs = STALL_MS): Promise<string> {
  fetch.onProgress(`Downloading the Temporal CLI ${TEMPORAL_CLI_VERSION}`);
  return fetchInto(fetch.destination, async (directory) => {
    const stalled = new AbortController();
    const watch = watchGrowth(directory, stallMs, () => stalled.abort());
    const args = ['-e', DOWNLOAD_SCRIPT, require.resolve('@temporalio/testing'), directory, `v${TEMPORAL_CLI_VERSION}`];
    try {
      await runCommand(process.execPath, args, { env: fetch.env, timeoutMs: TOTAL_MS, signal: stalled.signal });
    } catch (error) {
      if (stalled.signal.aborted) throw new Error(`nothing arrived for ${stallMs / 1000} s`, { cause: error });
      throw error;
    } finally {
      clearInterval(watch);
    }
    const [name] = await readdir(directory);
    if (name === undefined) throw new Error('the SDK left no file');
    return join(directory, name);
  });
}

function watchGrowth(directory: string, stallMs: number, onStall: () => void): NodeJS.Timeout {
  let bytesSeen = 0;
  let grownAt = Date.now();
  return setInterval(
    () => {
      void directoryBytes(directory).then((bytes) => {
        if (bytes !== bytesSeen) grownAt = Date.now();
        else if (Date.now() - grownAt >= stallMs) onStall();
        bytesSeen = bytes;
      });
    },
    Math.min(1_000, stallMs),
  );
}

async function directoryBytes(directory: string): Promise<number> {
  const names = await readdir(directory);
  // A file may be renamed between the two calls; it is counted next time.
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(directory, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
