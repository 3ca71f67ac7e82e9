// `skyfabric teardown`: peers leave a fabric, or the whole fabric ends.
import type { Command } from 'commander';
import type { TeardownResult } from '../contract/results';
import { oneLine } from '../errors/plain-text';
import { EXIT, type CliContext } from './context';
import { runCommand } from './run-command';

/** The command; asks first, unless `--yes`. */
export function teardownCommand(context: CliContext): Command {
  return runCommand(context, {
    kind: 'TeardownFabric',
    name: 'teardown',
    description: 'take peers out of a fabric, or end it with all its peers',
    flagsHeading: 'Teardown:',
    flags: [
      { flags: '--peer <name>', description: 'only this peer; repeatable (default: the whole fabric)', paths: ['peers'], read: 'list' },
      { flags: '--force', description: 'also when connections with the peers that stay need them', paths: ['force'], read: 'on' },
      {
        flags: '--abandon',
        description: 'the clusters of these peers are gone for ever: take them out without touching what stands there',
        paths: ['abandon'],
        read: 'on',
      },
    ],
    addFlags: (command) => command.option('-y, --yes', 'do not ask'),
    complete({ values, problems }) {
      if (values['yes'] !== true && context.ask === undefined) problems.add('--yes is needed where nobody can be asked');
      return {};
    },
    async confirm({ fabric = 'default', peers, abandon }, { yes }) {
      if (yes === true || context.ask === undefined) return true;
      const what =
        peers === undefined
          ? `the whole fabric ${fabric}, with all its peers and connections`
          : `${peers.join(', ')} from fabric ${fabric}`;
      const question =
        abandon === true
          ? `Abandon ${what}? What stands on ${peers?.length === 1 ? 'its cluster' : 'their clusters'} stays there, keys included.`
          : `Tear down ${what}?`;
      const answer = await context.ask(`${question} [y/N] `);
      if (/^y(es)?$/i.test(answer.trim())) return true;
      context.stderr.write('Nothing was touched.\n');
      context.exitCode = EXIT.failed;
      return false;
    },
    examples: `Examples:
  One peer leaves:
    $ skyfabric teardown --peer south
  The cluster of a peer is gone for ever:
    $ skyfabric teardown --peer south --abandon
  The fabric ends, in a script:
    $ skyfabric teardown --fabric test --yes --timeout 10m`,
    render: (result, _paint, { input }) => render(result, input.abandon === true),
  });
}

function render({ fabric, peers, absent = [], ended, changed }: TeardownResult, abandon: boolean): string {
  const others = absent.length === 0 ? '' : ` ${absent.join(', ')} ${absent.length === 1 ? 'is no peer' : 'are no peers'} of it.`;
  if (!changed) return oneLine(`Nothing to tear down in fabric ${fabric}.${others}`);
  const stands = abandon ? `what stands on ${peers.join(', ')} stays there` : `${peers.join(', ')} are as they were before it`;
  const left = `${peers.join(', ')} left fabric ${fabric}${abandon ? `; ${stands}` : ''}.`;
  return oneLine(`${ended ? `Fabric ${fabric} has ended; ${stands}.` : left}${others}`);
}
