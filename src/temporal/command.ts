// Runs a program to its end, for the few places that need another one (the Temporal CLI, pip).
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export interface RunCommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Runs a program without a shell and returns what it printed.
 *
 * @throws Error whose message is the last line of its standard error, or why it did not start or end.
 */
export async function runCommand(file: string, args: readonly string[], options: RunCommandOptions): Promise<string> {
  const { timeoutMs, ...rest } = options;
  try {
    const { stdout } = await execute(file, args, { ...rest, timeout: timeoutMs, killSignal: 'SIGKILL' });
    return stdout;
  } catch (error) {
    throw new Error(failureText(file, timeoutMs, error as ExecFailure), { cause: error });
  }
}

/** The message of anything thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface ExecFailure extends Error {
  readonly code?: string | number;
  readonly killed?: boolean;
  readonly stderr?: string;
}

function failureText(file: string, timeoutMs: number, error: ExecFailure): string {
  if (error.code === 'ENOENT') return `${file} is not installed`;
  if (error.code === 'EACCES') return `${file} is not executable`;
  if (error.killed === true) return `${file} did not end within ${timeoutMs / 1000} s`;
  return error.stderr?.trim().split('\n').at(-1) || error.message;
}
