// The flags of commands that run a worker: `dev` and `worker`.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { parseKeyStoreUrl } from '../pki/key-store-url';
import { FabricError } from '../errors/fabric-error';
import type { CliContext } from './context';
import { taskQueueOf } from './common-flags';
import { dataDirectory } from './data-directory';
import { allowExecOption, readAllowExec } from './exec-flag';
import type { Problems } from './problems';
import { choiceOption, type FlagValues } from './request-flags';
import type { WorkerStart } from './run-worker';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** Adds the flags that say where keys are kept, and how. */
export function addKeyStoreFlags(command: Command): Command {
  return command
    .option(
      '--key-store <url>',
      "where fabric authorities' keys are kept: file:DIRECTORY or kubernetes:[CONTEXT/]NAMESPACE (default: $SKYFABRIC_KEY_STORE, else file: in the user's data directory)",
    )
    .option(
      '--key-passphrase-file <file>',
      'file (mode 600) of the passphrase that these keys are encrypted with (default: $SKYFABRIC_KEY_PASSPHRASE_FILE, else in plain)',
    );
}

/** Adds the flags to a command. */
export function addWorkerFlags(command: Command): Command {
  return addKeyStoreFlags(command.optionsGroup('Worker:'))
    .option('--release-dir <directory>', "where ClusterLink's program is installed (default: in the user's data directory)")
    .option('--kubeconfig <file>', 'kubeconfig for peers that name none (default: $KUBECONFIG, else ~/.kube/config)')
    .addOption(allowExecOption())
    .option('--task-queue <name>', 'where the worker listens (default: $SKYFABRIC_TASK_QUEUE, else skyfabric)')
    .addOption(choiceOption('--log-level <level>', 'how much it logs, on standard error (default: warn)', LOG_LEVELS));
}

/** Reads the flags that addKeyStoreFlags adds. */
export function readKeyStoreFlags(
  values: FlagValues,
  { env, cwd }: CliContext,
  problems: Problems,
): Pick<WorkerStart, 'keyStore' | 'keyPassphraseFile'> {
  const text = (name: string): string | undefined => (typeof values[name] === 'string' ? values[name] : undefined);
  const keyStore = text('keyStore') ?? (env['SKYFABRIC_KEY_STORE'] || `file:${dataDirectory(env, 'keys')}`);
  const passphraseFile = text('keyPassphraseFile') ?? env['SKYFABRIC_KEY_PASSPHRASE_FILE'];
  try {
    parseKeyStoreUrl(keyStore, cwd);
  } catch (error) {
    if (!(error instanceof FabricError)) throw error;
    problems.add(`--key-store: ${error.message}. ${error.hint ?? ''}`);
  }
  return { keyStore, keyPassphraseFile: passphraseFile ? resolve(cwd, passphraseFile) : undefined };
}

/** Reads the flags that addWorkerFlags adds. */
export function readWorkerFlags(values: FlagValues, context: CliContext, problems: Problems): Omit<WorkerStart, 'target' | 'log'> {
  const { env, cwd } = context;
  const text = (name: string): string | undefined => (typeof values[name] === 'string' ? values[name] : undefined);
  const level = text('logLevel');
  const found = LOG_LEVELS.find((known) => known === level);
  if (level !== undefined && found === undefined)
    problems.add(`--log-level ${JSON.stringify(level)}: must be one of ${LOG_LEVELS.join(', ')}`);
  return {
    cwd,
    ...readKeyStoreFlags(values, context, problems),
    releaseDirectory: text('releaseDir') ?? dataDirectory(env, 'releases'),
    taskQueue: text('taskQueue') ?? taskQueueOf(context),
    kubeconfig: text('kubeconfig'),
    allowExec: readAllowExec(values, env),
    ...(found === undefined ? {} : { logLevel: found.toUpperCase() as Uppercase<typeof found> }),
  };
}
