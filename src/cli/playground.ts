// `skyfabric playground`: the main job before one's eyes, on simulated clusters; nothing else is needed.
import { Command } from 'commander';
import { readNumber } from './common-flags';
import type { CliContext } from './context';
import { PEER_COUNT } from './playground/cast';
import type * as Play from './playground/play';
import { Problems } from './problems';

// Loaded only when the command runs: it brings a worker and whole clusters with it.
// eslint-disable-next-line @typescript-eslint/no-require-imports -- `import()` in CommonJS wants file extensions, which differ between the compiled tree and its source
const loadPlay = (): typeof Play => require('./playground/play') as typeof Play;

/** The command. */
export function playgroundCommand(context: CliContext): Command {
  const command = new Command('playground')
    .description('see the main job done on simulated clusters, in this process and on loopback; then try it yourself')
    .option('--once', 'end after the show; the exit code says whether everything went as it should')
    .option('--peers <number>', `peers of the fabric, ${PEER_COUNT.least} to ${PEER_COUNT.most} (default: ${PEER_COUNT.usual})`)
    .addHelpText(
      'after',
      `
Starts an embedded Temporal server with its UI, a worker, and simulated clusters. Needs the Temporal CLI (looked for on the
PATH, else fetched once), and no Kubernetes.

Examples:
  The show, and then a playground that stays up until Ctrl-C:
    $ skyfabric playground
  For CI:
    $ skyfabric playground --once`,
    );
  return command.action(async ({ once, peers }: { readonly once?: true; readonly peers?: string }) => {
    const problems = new Problems();
    const peerCount = readNumber(peers, '--peers', PEER_COUNT.least, PEER_COUNT.most, problems) ?? PEER_COUNT.usual;
    problems.throwIfAny('playground');
    await loadPlay().play(context, { peerCount, once: once === true });
  });
}
