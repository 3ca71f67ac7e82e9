// `skyfabric history`: a fabric's runs, newest first.
import { Command } from 'commander';
import { addCommonFlags, readCommonFlags, readFabricName, readNumber } from './common-flags';
import type { CliContext } from './context';
import { loadQueries, loadSession } from './lazy';
import { printResult } from './output';
import { Problems } from './problems';
import { runRows } from './register-view';

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 1_000;

/** The command. */
export function historyCommand(context: CliContext): Command {
  const command = new Command('history')
    .description("list a fabric's runs, newest first, as long as Temporal keeps them")
    .option('--fabric <name>', 'the fabric (default: default)')
    .option('--limit <count>', `at most so many (default: ${DEFAULT_LIMIT})`);
  addCommonFlags(command).addHelpText(
    'after',
    '\nExamples:\n    $ skyfabric history --limit 5\n    $ skyfabric history --fabric prod -o json',
  );
  return command.action(async () => {
    const values = command.opts();
    const problems = new Problems();
    const { format, target } = readCommonFlags(values, context, problems);
    const fabric = readFabricName(values, problems);
    const limit = readNumber(values['limit'], '--limit', 1, MAX_LIMIT, problems) ?? DEFAULT_LIMIT;
    problems.throwIfAny('history');
    await loadSession().withTemporal(target, async (session) => {
      const runs = await loadQueries().listRuns(session, fabric, { limit });
      printResult(context.stdout, format, runs, () => (runs.length === 0 ? `Fabric ${fabric} has no runs.` : runRows(runs).join('\n')));
    });
  });
}
