// `skyfabric bootstrap`: bare clusters become the peers of a fabric, and are linked.
import { Option, type Command } from 'commander';
import type { BootstrapResult } from '../contract/results';
import { isRecord } from '../model/problems';
import type { CliContext } from './context';
import { GATEWAY_FLAGS } from './gateway-flags';
import { readLinks } from './links-flag';
import type { Paint } from './paint';
import { oneLine } from '../errors/plain-text';
import { addPeerFlags, nameOf, peerLabels, peersOf } from './peer-flags';
import type { Problems } from './problems';
import type { FlagValues, RequestFlag } from './request-flags';
import { runCommand, type GivenFlags } from './run-command';
import { columns } from './table';

const GATEWAYS = 'Gateways and certificates:';

const FLAGS: readonly RequestFlag[] = [
  ...GATEWAY_FLAGS,
  {
    flags: '--on-failure <policy>',
    description: 'undo the whole run, or only the peers that failed (default: rollback)',
    paths: ['onFailure'],
    choices: ['rollback', 'keep-healthy'],
  },
  {
    flags: '--authority-key-bits <bits>',
    description: "size of the fabric authority's key (default: 4096)",
    paths: ['certificates.authorityKeyBits'],
    read: 'number',
  },
  {
    flags: '--authority-days <days>',
    description: 'lifetime of the fabric authority (default: 3650)',
    paths: ['certificates.authorityDays'],
    read: 'number',
  },
  { flags: '--key-bits <bits>', description: 'size of all other keys (default: 2048)', paths: ['certificates.keyBits'], read: 'number' },
  {
    flags: '--certificate-days <days>',
    description: 'lifetime of all other certificates (default: 3650)',
    paths: ['certificates.days'],
    read: 'number',
  },
  {
    flags: '--renew-before-days <days>',
    description: 'renew certificates this near their end (default: 30)',
    paths: ['certificates.renewBeforeDays'],
    read: 'number',
  },
  { flags: '--binary-tag <tag>', description: 'release of the clusterlink program (default: v0.4.1)', paths: ['binary.tag'] },
  {
    flags: '--binary-source <url|path>',
    description: "mirror of ClusterLink's releases, or a file on the worker",
    paths: ['binary.source'],
  },
  { flags: '--binary-sha256 <digest>', description: 'SHA-256 that the release must have', paths: ['binary.sha256'] },
];

/** The command. */
export function bootstrapCommand(context: CliContext): Command {
  return runCommand(context, {
    kind: 'BootstrapFabric',
    name: 'bootstrap',
    description: 'make clusters the peers of a fabric, and link them; all or nothing',
    addFlags: (command) =>
      addPeerFlags(command)
        .addOption(
          new Option(
            '--links <topology>',
            'links among these peers: full-mesh, hub-and-spoke:HUB, none, or pairs such as west-east,west-south (default: full-mesh)',
          ),
        )
        .optionsGroup(GATEWAYS)
        .option('--install-binary', 'install the clusterlink program on the worker, for looking by hand'),
    flagsHeading: GATEWAYS,
    flags: FLAGS,
    labels: (request) => ({ ...peerLabels(request), links: '--links' }),
    complete,
    examples: `Examples:
  Two kind clusters, linked to each other:
    $ skyfabric bootstrap --peer west=kind-west --peer east=kind-east
  A hub with two spokes, reached through node ports:
    $ skyfabric bootstrap --peer hub=gke-hub --peer a=gke-a --peer b=gke-b --links hub-and-spoke:hub --ingress NodePort:30443
  One more cluster for a fabric that stands; whatever options west has are said again (run again, it changes nothing):
    $ skyfabric bootstrap --fabric prod --peer north=eks-north --peer west=gke-west --links north-west
  From a file, and not waiting for it; it holds what schema/requests/BootstrapFabric.json describes:
    $ cat fabric.yaml
    fabric: prod
    peers:
      - { name: west, context: gke-west }
      - { name: east, context: eks-east, ingress: { type: NodePort, nodePort: 30443 } }
    $ skyfabric bootstrap -f fabric.yaml --detach`,
    render,
    isFailure: ({ failed }) => failed.length > 0,
  });
}

function complete({ values, request, cwd, problems }: GivenFlags): Record<string, unknown> {
  const peers = peersOf(values, request, cwd, problems);
  const names = (Array.isArray(peers) ? peers : []).flatMap((peer: unknown) => (isRecord(peer) ? [nameOf(peer)] : []));
  const wantsBinary = values['installBinary'] === true && request['binary'] === undefined;
  return { peers, links: linksFrom(values, names, problems), ...(wantsBinary ? { binary: {} } : {}) };
}

function linksFrom(values: FlagValues, peers: readonly string[], problems: Problems): unknown {
  if (typeof values['links'] !== 'string') return undefined;
  const links = readLinks(values['links'], peers);
  if (!('problems' in links)) return links;
  for (const problem of links.problems) problems.add(`--links: ${problem}`);
  return undefined;
}

function render(result: BootstrapResult, paint: Paint): string {
  const { fabric, peers, links, failed, residue, authority, changed } = result;
  const rows = peers.map(({ peer, endpoint, certificate, changed: own }) => [
    peer,
    `${endpoint.host}:${endpoint.port}`,
    certificate.notAfter.slice(0, 10),
    own ? 'yes' : 'no',
  ]);
  return [
    `${paint('green', `Fabric ${oneLine(fabric)} stands`)}: ${changed ? 'it was changed' : 'nothing had to be changed'}.`,
    ...columns(rows, ['PEER', 'GATEWAY', 'CERTIFICATE UNTIL', 'GATEWAY CHANGED']),
    `Links: ${oneLine(links.map(({ a, b }) => `${a} and ${b}`).join(', ')) || 'none'}`,
    `Authority: ${oneLine(authority.fingerprint)}, until ${oneLine(authority.notAfter.slice(0, 10))}${authority.created ? ', created' : ''}`,
    ...failed.map(
      ({ peer, problem }) => `${paint('red', `${oneLine(peer)} failed`)} and was undone: ${oneLine(problem.message)} [${problem.code}]`,
    ),
    ...residue.map(({ peer, object, why }) => `${paint('red', 'Residue')} ${oneLine(peer)}: ${oneLine(object)}: ${oneLine(why)}`),
  ].join('\n');
}
