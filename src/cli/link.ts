// `skyfabric link`: peers the gateways of two peers with each other.
import type { Command } from 'commander';
import { oneLine } from '../errors/plain-text';
import type { CliContext } from './context';
import { PAIR, pairFrom } from './pair';
import { runCommand } from './run-command';

/** The command. */
export function linkCommand(context: CliContext): Command {
  return runCommand(context, {
    kind: 'EstablishLink',
    name: 'link',
    description: 'link two peers of a fabric',
    operands: PAIR,
    flagsHeading: 'Link:',
    flags: [],
    labels: { peers: 'PEER OTHER-PEER' },
    complete: pairFrom,
    examples: `Examples:
    $ skyfabric link west east
    $ skyfabric link west east --fabric prod --detach`,
    render: ({ link: { a, b }, changed }) => oneLine(changed ? `Linked: ${a} and ${b}.` : `${a} and ${b} are linked already.`),
  });
}
