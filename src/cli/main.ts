#!/usr/bin/env node
// The program as a process: its streams, its signals, its exit code.
import { createInterface } from 'node:readline/promises';
import type { CliContext } from './context';
import { oneLine } from '../errors/plain-text';
import { runProgram } from './program';
import { TextOutput } from './text-output';

const context: CliContext = {
  stdout: new TextOutput(process.stdout),
  stderr: new TextOutput(process.stderr),
  env: process.env,
  cwd: process.cwd(),
  ask: process.stdin.isTTY && process.stderr.isTTY ? ask : undefined,
  onSignal(signals, listener) {
    for (const signal of signals) process.on(signal, listener);
    return () => {
      for (const signal of signals) process.off(signal, listener);
    };
  },
  exitCode: 0,
};

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(`${oneLine(question)} `);
  } finally {
    terminal.close();
  }
}

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

// All is done and closed: nothing that an SDK keeps open (its native runtime, a long poll) may hold the process back.
// Writing to a pipe takes its time, so the last words come first.
void runProgram(context, process.argv.slice(2)).then((code) => {
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
});
