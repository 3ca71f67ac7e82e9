// The whole program, built around a context so that tests run it in-process.
import { Command, CommanderError } from 'commander';
import { bootstrapCommand } from './bootstrap';
import { cancelCommand } from './cancel';
import { checkCommand } from './check';
import { cleanupCommand } from './cleanup';
import { codecKeysCommand } from './codec-keys';
import { codecServerCommand } from './codec-server';
import { completionCommand } from './completion';
import { connectCommand } from './connect';
import { EXIT, type CliContext, type ExitCode } from './context';
import { devCommand } from './dev';
import { diagnoseCommand } from './diagnose';
import { disconnectCommand } from './disconnect';
import { graphCommand } from './graph';
import { historyCommand } from './history';
import { linkCommand } from './link';
import { playgroundCommand } from './playground';
import { reportError } from './report-error';
import { sealCommand } from './seal';
import { statusCommand } from './status';
import { teardownCommand } from './teardown';
import { unlinkCommand } from './unlink';
import { verifyCommand } from './verify';
import { plain } from '../errors/plain-text';
import { packageVersion } from './version';
import { workerCommand } from './worker';

type MakeCommand = (context: CliContext) => Command;

const GROUPS: readonly (readonly [heading: string, commands: readonly MakeCommand[]])[] = [
  ['Try it:', [playgroundCommand]],
  ['Temporal and workers:', [devCommand, workerCommand]],
  ['Fabrics:', [checkCommand, bootstrapCommand, linkCommand, unlinkCommand, teardownCommand, cleanupCommand]],
  ['Services:', [connectCommand, disconnectCommand]],
  ['Runs:', [cancelCommand]],
  ['Looking:', [statusCommand, historyCommand, graphCommand, verifyCommand, diagnoseCommand]],
  ['Secrets:', [codecKeysCommand, codecServerCommand, sealCommand]],
  ['Shell:', [completionCommand]],
];

/** Builds the program. */
export function buildProgram(context: CliContext): Command {
  const program = new Command('skyfabric')
    .description('Builds, heals and takes down a ClusterLink network fabric across Kubernetes clusters, as durable Temporal workflows.')
    .version(packageVersion())
    .addHelpText('after', OVERVIEW)
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      outputError: (text, write) => write(plain(text).replace(/^error: /, 'Error: ')),
      getOutHelpWidth: () => context.stdout.columns ?? 100,
    })
    .showHelpAfterError('  Hint: --help tells what there is. Nothing was touched.');
  for (const [heading, commands] of GROUPS) {
    for (const make of commands) program.addCommand(make(context).copyInheritedSettings(program).helpGroup(heading));
  }
  return program;
}

const OVERVIEW = `
Exit codes: 0 done, 1 failed, 2 usage, 124 timed out, 130 interrupted.
Temporal is found as its own command line finds it: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, profiles, else 127.0.0.1:7233.

Examples:
  Two clusters become a fabric, and a service on one is called from the other:
    $ skyfabric dev
    $ skyfabric bootstrap --peer west=kind-west --peer east=kind-east
    $ skyfabric connect echo -n demo --port 8080 --from west --to east`;

/** Runs the program. @param args without node and script @returns how the process is to end */
export async function runProgram(context: CliContext, args: readonly string[]): Promise<ExitCode> {
  const program = buildProgram(context);
  try {
    if (args.length === 0) {
      program.outputHelp();
      return EXIT.usage;
    }
    await program.parseAsync([...args], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    // Commander has said what it had to say; 0 is for help and version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    return reportError(context, error);
  }
}
