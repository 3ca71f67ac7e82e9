// `skyfabric connect`: a service on some peers becomes reachable from others.
import type { Command } from 'commander';
import type { ConnectResult } from '../contract/results';
import { readAllow } from './allow-flag';
import type { CliContext } from './context';
import { oneLine } from '../errors/plain-text';
import type { Paint } from './paint';
import { choiceOption, repeatableOption, type RequestFlag } from './request-flags';
import { readChoice } from './common-flags';
import { runCommand, type GivenFlags } from './run-command';
import { columns } from './table';

const FLAGS: readonly RequestFlag[] = [
  { flags: '-n, --namespace <name>', description: "the service's namespace, the same on every peer", paths: ['service.namespace'] },
  { flags: '-p, --port <port>', description: "the service's port", paths: ['service.port'], read: 'number' },
  { flags: '--from <peers>', description: 'peers that run replicas; commas or repeated', paths: ['from'], read: 'list' },
  { flags: '--to <peers>', description: 'peers from which it is called; commas or repeated', paths: ['to'], read: 'list' },
  {
    flags: '--load-balancing <scheme>',
    description: 'how calls are spread over the sources (default: round-robin)',
    paths: ['loadBalancing'],
    choices: ['round-robin', 'random', 'static'],
  },
  { flags: '--merge', description: 'join a Service of that name that the calling peers have already', paths: ['merge'], read: 'on' },
  { flags: '--privileged', description: 'write cluster-wide policies, which are decided first', paths: ['access.privileged'], read: 'on' },
  { flags: '--adopt', description: 'take over Exports, Imports and policies that somebody else made', paths: ['adopt'], read: 'on' },
];

const SELECTORS =
  'which workloads may call: namespace=NAME, service-account=NAME, a label KEY=VALUE (all must match), or all; repeatable (default: any in the calling peers)';

/** The command. */
export function connectCommand(context: CliContext): Command {
  return runCommand(context, {
    kind: 'ConnectServiceAcrossClusters',
    name: 'connect',
    description: 'make a service on some peers reachable from others, and show that bytes flow',
    operands: [{ name: 'service', description: 'name of the Kubernetes Service' }],
    flagsHeading: 'Service:',
    flags: FLAGS,
    addFlags: (command) =>
      command
        .optionsGroup('Access and proof:')
        .addOption(repeatableOption('--allow <selector>', SELECTORS))
        .addOption(
          choiceOption('--verify <how>', "prove it by a short Job, or trust ClusterLink's status (default: probe)", ['probe', 'status']),
        )
        .option('--probe-image <image>', 'image of that Job (default: busybox:1.36)'),
    labels: {
      'service.name': 'SERVICE',
      'access.clients': '--allow',
      'access.mode': '--allow',
      verify: '--verify',
      'verify.image': '--probe-image',
    },
    complete,
    examples: `Examples:
  Replicas on west and south, called from east:
    $ skyfabric connect echo -n demo --port 8080 --from west,south --to east
  Only for the pods of one service account in namespace web:
    $ skyfabric connect echo -n demo --port 8080 --from west --to east --allow namespace=web --allow service-account=frontend
  Replicas on all three behind one Service:
    $ skyfabric connect echo -n demo --port 8080 --from west,south,east --to east --merge`,
    render,
  });
}

function complete({ values, operands, problems }: GivenFlags): Record<string, unknown> {
  const [name] = operands;
  const { allow, verify, probeImage } = values;
  const mode = verify === undefined ? undefined : readChoice(verify, ['probe', 'status'], '--verify', problems);
  if (mode === 'status' && probeImage !== undefined) problems.add('--probe-image: means nothing with --verify status');
  return {
    service: { name },
    ...(allow === undefined
      ? {}
      : {
          access: readAllow(
            (allow as string[]).flatMap((text) => text.split(',')),
            problems,
          ),
        }),
    ...(mode === undefined && probeImage === undefined
      ? {}
      : { verify: mode === 'status' ? { mode } : { mode: 'probe', ...(probeImage === undefined ? {} : { image: probeImage }) } }),
  };
}

function render({ service, from, to, imports, changed }: ConnectResult, paint: Paint): string {
  const rows = imports.map(({ peer, address, verified, attempts, bytes }) => [
    peer,
    address,
    verified === 'probe' ? `${bytes} bytes over ${attempts} connections` : "ClusterLink's status",
  ]);
  const where = `${service.namespace}/${service.name}:${service.port} on ${from.join(', ')}, called from ${to.join(', ')}`;
  return [
    `${paint('green', 'Connected')}: ${oneLine(where)}${changed ? '' : '; nothing had to be changed'}.`,
    ...columns(rows, ['PEER', 'CALL IT AT', 'SHOWN BY']),
  ].join('\n');
}
