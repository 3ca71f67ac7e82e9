// `skyfabric worker`: a worker for a Temporal server that runs elsewhere.
import { Command } from 'commander';
import { addTemporalFlags, targetOf } from './common-flags';
import type { CliContext } from './context';
import { loadWorker } from './lazy';
import { oneLine } from '../errors/plain-text';
import { Problems } from './problems';
import { untilStopped } from './until-stopped';
import { addWorkerFlags, readWorkerFlags } from './worker-flags';

/** The command. */
export function workerCommand(context: CliContext): Command {
  const command = new Command('worker').description('run a worker for a given Temporal server, until Ctrl-C');
  addWorkerFlags(command).option('--activities-only', "no workflows: for a worker inside a peer's network");
  addTemporalFlags(command.optionsGroup('Temporal:')).addHelpText(
    'after',
    `
Examples:
    $ skyfabric worker --address temporal.example:7233
  Several workers share their keys through a cluster:
    $ skyfabric worker --profile prod --key-store kubernetes:admin/skyfabric
  Inside a network that nobody else reaches, for peers with --task-queue west=west-inside:
    $ skyfabric worker --activities-only --task-queue west-inside --kubeconfig ./west.yaml`,
  );
  return command.action(async () => {
    const values = command.opts();
    const problems = new Problems();
    const flags = readWorkerFlags(values, context, problems);
    const target = targetOf(values, context, problems);
    problems.throwIfAny('worker');
    const log = (line: string): unknown => context.stderr.write(`${oneLine(line)}\n`);
    const worker = await loadWorker().startWorkerWith({
      ...flags,
      activitiesOnly: values['activitiesOnly'] === true,
      target,
      log,
    });
    const { address, namespace, taskQueue, registered } = worker;
    if (registered.length > 0) log(`Registered search attributes: ${registered.join(', ')}`);
    await untilStopped(context, worker, () =>
      log(`Worker listens on task queue ${taskQueue} of namespace ${namespace} at ${address}. Ctrl-C stops it.`),
    );
  });
}
