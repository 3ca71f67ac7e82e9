// `skyfabric diagnose`: one archive of an incident, for whoever is to find out what happened. It changes nothing.
import { resolve } from 'node:path';
import { Command } from 'commander';
import { peer, type PeerAddress } from '../model/peer';
import { addTemporalFlags, readDuration, readFabricName, targetOf, taskQueueOf } from './common-flags';
import type { CliContext } from './context';
import { allowExecOption, readAllowExec } from './exec-flag';
import { loadDiagnose } from './lazy';
import { paintFor, type Paint } from './paint';
import { peersOf } from './peer-flags';
import { oneLine } from '../errors/plain-text';
import { Problems } from './problems';
import { repeatableOption, type FlagValues } from './request-flags';
import type { Diagnosis } from './run-diagnose';

const DEFAULT_SINCE_MS = 24 * 3_600_000;
/** What fits on a screen; the archive has the rest. */
const MOST_LINES = 12;

/** The command; exit 1 only when nothing could be collected, or the archive could not be written. */
export function diagnoseCommand(context: CliContext): Command {
  const command = new Command('diagnose')
    .description('collect statuses, events, logs and run histories into one archive, without any secret')
    .option('--fabric <name>', 'the fabric (default: default)')
    .option('--since <duration>', 'how far back runs are looked for (default: 24h)')
    .addOption(repeatableOption('--run <workflow-id>', 'also this run, however old; repeatable'))
    .option('--output <file>', 'the archive (default: skyfabric-diagnose-FABRIC-TIME.tar.gz here)')
    .optionsGroup('Peers:')
    .addOption(
      repeatableOption('--peer <name=context>', 'a peer, when the register cannot tell or its context has another name here; repeatable'),
    )
    .option('--kubeconfig <file>', "kubeconfig that has the contexts (default: the register's, else your own)")
    .addOption(allowExecOption())
    .option('--namespace <name>', 'namespace of the gateways of --peer (default: clusterlink-system)')
    .optionsGroup('Temporal:');
  addTemporalFlags(command).addHelpText(
    'after',
    `
Examples:
    $ skyfabric diagnose
    $ skyfabric diagnose --fabric prod --since 2h --run connect/prod/demo/echo/3f2a90c1d4e5
  Without Temporal, or without a worker:
    $ skyfabric diagnose --peer west=kind-west --peer east=kind-east`,
  );
  return command.action(async () => {
    const values = command.opts<FlagValues>();
    const { stdout, stderr, env, cwd } = context;
    const problems = new Problems();
    const fabric = readFabricName(values, problems);
    const sinceMs = readDuration(values['since'], '--since', problems) ?? DEFAULT_SINCE_MS;
    const peers = readPeers(values, cwd, problems);
    const target = targetOf(values, context, problems);
    problems.throwIfAny('diagnose');
    const path = (name: string): string | undefined => (typeof values[name] === 'string' ? resolve(cwd, values[name]) : undefined);
    stderr.write(`Collecting what Temporal and the clusters of fabric ${fabric} tell; nothing is changed.\n`);
    const diagnosis = await loadDiagnose().diagnose({
      fabric,
      peers,
      kubeconfig: path('kubeconfig'),
      allowExec: readAllowExec(values, env),
      workflowIds: (values['run'] ?? []) as readonly string[],
      sinceMs,
      file: path('output'),
      directory: cwd,
      target,
      taskQueue: taskQueueOf(context),
    });
    const warnings = warningText(diagnosis, paintFor(stderr, env));
    if (warnings !== '') stderr.write(`${warnings}\n`);
    stdout.write(`${resultText(diagnosis, paintFor(stdout, env))}\n`);
  });
}

function readPeers(values: FlagValues, cwd: string, problems: Problems): PeerAddress[] {
  const given = peersOf(values, {}, cwd, problems);
  const seen = new Set<unknown>();
  return (Array.isArray(given) ? given : []).flatMap((item: { readonly name: string }): PeerAddress[] => {
    if (seen.has(item.name)) problems.add(`--peer ${oneLine(item.name)}=…: named twice`);
    seen.add(item.name);
    const { data, error } = peer.safeParse(item);
    for (const { path, message } of error?.issues ?? []) {
      const [place] = path;
      problems.add(place === 'namespace' ? `--namespace: ${message}` : `--peer ${oneLine(item.name)}=…: ${String(place)} ${message}`);
    }
    return data === undefined ? [] : [data];
  });
}

function warningText({ problems, cuts }: Diagnosis, paint: Paint): string {
  const count = problems.length + cuts.length;
  if (count === 0) return '';
  return [
    `${paint('yellow', `${count} ${count === 1 ? 'warning' : 'warnings'}:`)} the archive lacks something`,
    ...short([...problems, ...cuts], 'problems.txt and about.txt'),
  ].join('\n');
}

function resultText({ file, bytes, entries, redactions, leads }: Diagnosis, paint: Paint): string {
  return [
    leads.length === 0 ? paint('green', 'Nothing that is not well was found.') : paint('bold', 'Look first at:'),
    ...short(leads, 'look-first.txt'),
    `${paint('bold', 'Archive:')} ${oneLine(file)} (${sizeText(bytes)}, ${entries} entries, ${redactions} redactions)`,
    '  It holds no key and no value of a Secret, but names, addresses and logs: read it before you hand it on.',
  ].join('\n');
}

function short(lines: readonly string[], rest: string): string[] {
  const more = lines.length - MOST_LINES;
  return [...lines.slice(0, MOST_LINES).map((line) => `  ${oneLine(line)}`), ...(more > 0 ? [`  and ${more} more, in ${rest}`] : [])];
}

function sizeText(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
