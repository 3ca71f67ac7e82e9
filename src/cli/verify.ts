// `skyfabric verify`: moves bytes over every link and connection of a fabric, and says how well that went.
import type { Command } from 'commander';
import type { VerifyResult } from '../contract/results';
import type { CliContext } from './context';
import { oneLine } from '../errors/plain-text';
import type { Paint } from './paint';
import { runCommand } from './run-command';
import { columns } from './table';

const MEBIBYTE = 1_048_576;

/** The command; exit 1 when any proof failed. */
export function verifyCommand(context: CliContext): Command {
  return runCommand(context, {
    kind: 'VerifyFabric',
    name: 'verify',
    description: 'move bytes over every connection, and there and back over every link; leaves nothing behind',
    flagsHeading: 'Verify:',
    flags: [
      { flags: '--peer <name>', description: 'only what this peer has part in; repeatable (default: all)', paths: ['peers'], read: 'list' },
      {
        flags: '--connection <namespace/name>',
        description: "only this service's connections and their links; repeatable (default: all)",
        paths: ['connections'],
        read: 'list',
      },
      { flags: '--image <image>', description: 'image of the pods that send and answer (default: busybox:1.36)', paths: ['image'] },
    ],
    examples: `Examples:
    $ skyfabric verify
  After the network of one cluster was changed:
    $ skyfabric verify --peer south
  One service, for a script:
    $ skyfabric verify --connection demo/echo -o json`,
    render,
  });
}

function render({ fabric, links, connections }: VerifyResult, paint: Paint): string {
  const proofs = [...links, ...connections];
  if (proofs.length === 0) return `Nothing to verify: fabric ${oneLine(fabric)} has no such links and connections.`;
  const failed = proofs.filter(({ ok }) => !ok).length;
  const linkRows = links.map((proof) => [
    proof.from,
    proof.to,
    ...(proof.ok ? [latencyText(proof.latencyMs), `${(proof.bytesPerSecond / MEBIBYTE).toFixed(1)} MiB/s`] : ['-', '-']),
    resultText(proof),
  ]);
  const connectionRows = connections.map((proof) => [
    `${proof.service.namespace}/${proof.service.name}:${proof.service.port}`,
    proof.peer,
    proof.ok && proof.verified === 'probe' ? String(proof.bytes) : '-',
    proof.ok && proof.verified === 'status' ? "ok, by ClusterLink's status only" : resultText(proof),
  ]);
  return [
    failed === 0
      ? `${paint('green', 'Verified')}: bytes flow as they should in fabric ${oneLine(fabric)}.`
      : `${paint('red', 'Not verified')}: ${failed} of ${proofs.length} proofs failed in fabric ${oneLine(fabric)}.`,
    ...(links.length === 0 ? [] : columns(linkRows, ['FROM', 'TO', 'LATENCY', 'THROUGHPUT', 'RESULT'])),
    ...(links.length === 0 || connections.length === 0 ? [] : ['']),
    ...(connections.length === 0 ? [] : columns(connectionRows, ['SERVICE', 'PEER', 'BYTES', 'RESULT'])),
  ].join('\n');
}

/** The reasons stand below, with the failure. */
function resultText(proof: VerifyResult['links'][number] | VerifyResult['connections'][number]): string {
  return proof.ok ? 'ok' : `failed: ${proof.problem.code}`;
}

function latencyText(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}
