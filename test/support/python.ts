// Python for tests: an environment with what clients/python/requirements-dev.txt pins, made once and kept in the user's cache, and the
// client installed from a wheel of its own, as its users get it.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorText, runCommand } from '../../src/temporal/command';

/** The folder of the Python client. */
const PYTHON_CLIENT = join(__dirname, '../../clients/python');

const LOCK = join(PYTHON_CLIENT, 'requirements-dev.txt');
const PIP = ['-m', 'pip', '--no-input', '--disable-pip-version-check'];
const INSTALL_TIMEOUT_MS = 8 * 60_000;
const ASK_TIMEOUT_MS = 30_000;
/** A process that hangs is ended before its test is, so that what it printed is seen. */
const RUN_TIMEOUT_MS = 9 * 60_000;

/** The client, installed. */
export class PythonClient {
  private constructor(
    private readonly python: string,
    private readonly directory: string,
  ) {}

  /** Makes the environment, unless the cache has it, and installs the client. @throws Error without Python 3.10 or later, or pip */
  static async install(): Promise<PythonClient> {
    const python = await environment();
    const directory = await mkdtemp(join(tmpdir(), 'skyfabric-python-'));
    const wheel = ['install', '--quiet', '--no-deps', '--no-build-isolation', '--no-index', '--target', directory];
    await runCommand(python, [...PIP, ...wheel, PYTHON_CLIENT], { cwd: directory, timeoutMs: INSTALL_TIMEOUT_MS });
    return new PythonClient(python, directory);
  }

  /**
   * Runs a module on the client's folder to its end, or until it has taken too long.
   * @param env beside the process's own, less what Temporal and we read from it
   * @returns its exit code, and what it printed
   */
  async run(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly code: number; readonly output: string }> {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(TEMPORAL|SKYFABRIC|PYTHON)/.test(name));
    const child = spawn(this.python, ['-m', ...args], {
      cwd: PYTHON_CLIENT,
      env: { ...Object.fromEntries(inherited), PYTHONPATH: this.directory, PYTHONDONTWRITEBYTECODE: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: RUN_TIMEOUT_MS,
    });
    let output = '';
    const keep = (text: Buffer): void => void (output += text.toString());
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (exit, signal) => resolve(exit ?? (signal === null ? 1 : 128)));
    });
    return { code, output };
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** The Python of an environment that holds exactly what the lock file says. */
async function environment(): Promise<string> {
  const { command, version } = await findPython();
  const digest = createHash('sha256')
    .update(await readFile(LOCK))
    .update(version)
    .digest('hex')
    .slice(0, 16);
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'skyfabric');
  const path = join(cache, `python-${digest}`);
  const python = join(path, 'bin', 'python');
  if (existsSync(python)) return python;
  process.stderr.write("Installing what the Python client's tests need: about a minute the first time, none after that\n");
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(join(cache, 'fetch-'));
  try {
    const options = { cwd: directory, timeoutMs: INSTALL_TIMEOUT_MS };
    await runCommand(command, ['-m', 'venv', join(directory, 'venv')], options);
    const install = ['install', '--quiet', '--no-deps', '--only-binary', ':all:', '-r', LOCK];
    await runCommand(join(directory, 'venv', 'bin', 'python'), [...PIP, ...install], options);
    // In one step: parallel runs never see half of it. Only its Python is called by path, so it may be moved.
    await rename(join(directory, 'venv'), path).catch((error: unknown) => {
      if (!existsSync(python)) throw error;
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return python;
}

async function findPython(): Promise<{ readonly command: string; readonly version: string }> {
  const failures: string[] = [];
  for (const command of ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10']) {
    try {
      const ask = 'import sys, sysconfig; print(*sys.version_info[:3], sysconfig.get_platform(), sys.base_prefix)';
      const version = await runCommand(command, ['-c', ask], { timeoutMs: ASK_TIMEOUT_MS });
      const [major = 0, minor = 0] = version.split(' ').map(Number);
      if (major === 3 && minor >= 10) return { command, version };
      failures.push(`${command} is ${major}.${minor}`);
    } catch (error) {
      failures.push(errorText(error));
    }
  }
  throw new Error(`the tests of clients/python need Python 3.10 or later with pip and venv: ${failures.join('; ')}`);
}
