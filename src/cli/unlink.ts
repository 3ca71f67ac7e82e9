// `skyfabric unlink`: takes a link down, on both sides.
import type { Command } from 'commander';
import { oneLine } from '../errors/plain-text';
import type { CliContext } from './context';
import { PAIR, pairFrom } from './pair';
import { runCommand } from './run-command';

/** The command. */
export function unlinkCommand(context: CliContext): Command {
  return runCommand(context, {
    kind: 'TeardownLink',
    name: 'unlink',
    description: 'take down the link of two peers',
    operands: PAIR,
    flagsHeading: 'Link:',
    flags: [{ flags: '--force', description: 'also when connections need it: they lose these sources', paths: ['force'], read: 'on' }],
    labels: { peers: 'PEER OTHER-PEER' },
    complete: pairFrom,
    examples: `Examples:
    $ skyfabric unlink west east
  Although connections use it:
    $ skyfabric unlink west east --force --reason "west is being moved"`,
    render: ({ link: { a, b }, changed }) => oneLine(changed ? `Unlinked: ${a} and ${b}.` : `${a} and ${b} were not linked.`),
  });
}
