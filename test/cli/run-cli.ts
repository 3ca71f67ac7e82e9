// Runs the program in-process, with its streams and signals in the test's hands.
import type { CliContext, ExitCode } from '../../src/cli/context';
import { runProgram } from '../../src/cli/program';
import { TextOutput } from '../../src/cli/text-output';

export interface CliRun {
  readonly code: Promise<ExitCode>;
  stdout(): string;
  stderr(): string;
  /** As if the person pressed Ctrl-C. */
  interrupt(): void;
  /** Resolves once standard error holds the text. */
  told(text: string): Promise<void>;
  /** Resolves once standard output holds the text. */
  printed(text: string): Promise<void>;
}

export interface CliSettings {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** The person's answer to any question; nobody is there when it is left out. */
  readonly answer?: string;
  readonly terminal?: boolean;
}

/** A context that remembers what is written. */
export function testContext({ env = {}, cwd = '/', answer, terminal = false }: CliSettings = {}): Omit<CliRun, 'code'> & {
  readonly context: CliContext;
} {
  const texts = { stdout: '', stderr: '' };
  const waiting: { readonly name: keyof typeof texts; readonly text: string; readonly done: () => void }[] = [];
  const holds = (name: keyof typeof texts, text: string): Promise<void> =>
    new Promise((resolve) => (texts[name].includes(text) ? resolve() : void waiting.push({ name, text, done: resolve })));
  const listeners = new Set<() => void>();
  const output = (name: keyof typeof texts): TextOutput =>
    new TextOutput({
      isTTY: terminal,
      columns: 100,
      write(text) {
        texts[name] += text;
        for (const wish of waiting) if (texts[wish.name].includes(wish.text)) wish.done();
      },
    });
  return {
    context: {
      stdout: output('stdout'),
      stderr: output('stderr'),
      env,
      cwd,
      ask: answer === undefined ? undefined : () => Promise.resolve(answer),
      onSignal(_signals, listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      exitCode: 0,
    },
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    interrupt() {
      for (const listener of [...listeners]) listener();
    },
    told: (text) => holds('stderr', text),
    printed: (text) => holds('stdout', text),
  };
}

/** Starts the program. */
export function startCli(args: readonly string[], settings: CliSettings = {}): CliRun {
  const { context, ...rest } = testContext(settings);
  return { ...rest, code: runProgram(context, args) };
}

/** Runs the program to its end. */
export async function runCli(
  args: readonly string[],
  settings: CliSettings = {},
): Promise<{ readonly code: ExitCode; readonly stdout: string; readonly stderr: string }> {
  const run = startCli(args, settings);
  return { code: await run.code, stdout: run.stdout(), stderr: run.stderr() };
}
