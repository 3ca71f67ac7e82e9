// What a command may use of the process around it: handed in, so that tests run the whole program in-process.
import type { TextOutput } from './text-output';

/** How the program ends. */
export const EXIT = { done: 0, failed: 1, usage: 2, timedOut: 124, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The process as commands see it. */
export interface CliContext {
  /** Results. */
  readonly stdout: TextOutput;
  /** Progress, warnings and failures. */
  readonly stderr: TextOutput;
  readonly env: NodeJS.ProcessEnv;
  /** Where relative paths start. */
  readonly cwd: string;
  /** Asks the person at the terminal; absent when there is none. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
  /** Calls the listener at each of these signals instead of ending the process, until the returned function is called. */
  readonly onSignal: (signals: readonly NodeJS.Signals[], listener: () => void) => () => void;
  /** How the program ends; `done` unless a command says otherwise. */
  exitCode: ExitCode;
}
