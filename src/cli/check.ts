// `skyfabric check`: what a bootstrap of these clusters would meet. It changes nothing.
import type { Command } from 'commander';
import { stringify } from 'yaml';
import type { CheckResult } from '../contract/results';
import type { CliContext } from './context';
import { GATEWAY_FLAGS } from './gateway-flags';
import type { Paint } from './paint';
import { addPeerFlags, peerLabels, peersOf } from './peer-flags';
import { oneLine, plain } from '../errors/plain-text';
import { runCommand } from './run-command';

/** The command; exit 1 when any finding is not ok. */
export function checkCommand(context: CliContext): Command {
  return runCommand(context, {
    kind: 'CheckClusters',
    name: 'check',
    description: 'see whether clusters can become peers; changes nothing',
    addFlags: addPeerFlags,
    flagsHeading: 'Gateways:',
    flags: GATEWAY_FLAGS,
    labels: peerLabels,
    complete: ({ values, request, cwd, problems }) => ({ peers: peersOf(values, request, cwd, problems) }),
    examples: `Examples:
    $ skyfabric check --peer west=kind-west --peer east=kind-east
    $ skyfabric check -f fabric.yaml -o json`,
    render,
    isFailure: ({ ok }) => !ok,
  });
}

function render({ ok, peers }: CheckResult, paint: Paint): string {
  const lines = peers.flatMap(({ peer, findings }) => [
    paint('bold', oneLine(peer)),
    ...findings.flatMap(({ check, ok: fine, message, hint }) => [
      `  ${fine ? paint('green', '✔') : paint('red', '✖')} ${oneLine(check)}: ${plain(message).replace(/\n\s*/g, '\n      ')}`,
      ...(hint === undefined || fine ? [] : [`      Hint: ${oneLine(hint)}`]),
    ]),
  ]);
  const verdict = ok ? paint('green', 'These clusters can become peers.') : paint('red', 'Mend what is marked, and check again.');
  return [...lines, verdict, ...peers.flatMap(manifestOf)].join('\n');
}

/** What is missing on a peer, to be applied by one of its administrators. */
function manifestOf({ peer, findings }: CheckResult['peers'][number]): string[] {
  const objects = findings.flatMap(({ ok, manifest = [] }) => (ok ? [] : manifest));
  if (objects.length === 0) return [];
  const documents = objects.map(
    (object) => `---\n${plain(stringify(object, { lineWidth: 0, defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN' }).trimEnd())}`,
  );
  return ['', `# What ${oneLine(peer)} lacks, for \`kubectl apply -f -\` by an administrator of that cluster:`, ...documents];
}
