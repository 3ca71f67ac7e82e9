// `skyfabric cancel`: ends a run, which undoes what it has done so far.
import { Command } from 'commander';
import { oneLine } from '../errors/plain-text';
import { addCommonFlags, readWaitFlags } from './common-flags';
import { EXIT, type CliContext } from './context';
import { loadCancel, loadRuns, loadSession } from './lazy';
import { printResult } from './output';
import { Problems } from './problems';
import { watchCommand } from './run-report';

/** The command. */
export function cancelCommand(context: CliContext): Command {
  const command = new Command('cancel')
    .description('cancel a run: what can be undone is undone, and then it ends')
    .argument('<workflow-id>', 'the run, as `status` and `history` name it')
    .option('-w, --wait', 'show the undoing, and wait for its end')
    .option('--timeout <duration>', 'stop waiting after this long (exit 124); the undoing goes on');
  addCommonFlags(command).addHelpText(
    'after',
    `
A run that was cancelled with nothing left over exits with 0; one that leaves something, or ends otherwise meanwhile, with 1.
A teardown only goes forward: it stops where it stands, and the same teardown again goes on.

Examples:
    $ skyfabric cancel bootstrap/default/east+west
    $ skyfabric cancel connect/default/demo/echo/3f2a90c1d4e5 --wait --timeout 10m`,
  );
  return command.action(async () => {
    const values = command.opts();
    const [workflowId = ''] = command.args;
    const problems = new Problems();
    const flags = readWaitFlags(values, context, problems);
    if (workflowId === '') problems.add('WORKFLOW-ID: must not be empty');
    if (values['timeout'] !== undefined && values['wait'] !== true) problems.add('--timeout: means nothing without --wait');
    problems.throwIfAny('cancel');
    await loadSession().withTemporal(flags.target, async (session) => {
      const run = await loadCancel().cancelRun(session, workflowId, values['wait'] === true);
      const cancelling = `Cancelling ${oneLine(workflowId)}: what can be undone is being undone.`;
      if (values['wait'] !== true) {
        printResult(context.stdout, flags.format, { ...run, outcome: 'cancelling' }, () => cancelling);
        context.stderr.write(`  Watch it: ${watchCommand(workflowId, flags.target)}\n`);
        return;
      }
      context.stderr.write(`${cancelling}\n`);
      const end = await loadRuns().watchRun(context, session, flags, workflowId, run.runId);
      if (end.outcome === 'cancelled' && end.rollback?.residue.length === 0) context.exitCode = EXIT.done;
      if (end.outcome === 'done') {
        context.stderr.write('It was done before it could be cancelled.\n');
        context.exitCode = EXIT.failed;
      }
    });
  });
}
