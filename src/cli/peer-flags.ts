// The flags that name peers and say how to reach them, for `bootstrap` and `check`.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { isRecord } from '../model/problems';
import { choiceOption, repeatableOption, type FlagValues } from './request-flags';
import type { Problems } from './problems';

/** Adds the flags to a command. */
export function addPeerFlags(command: Command): Command {
  return command
    .optionsGroup('Peers:')
    .addOption(repeatableOption('--peer <name=context>', 'a peer and the kubeconfig context of its cluster; repeat for each'))
    .option('--kubeconfig <file>', "kubeconfig that has the contexts, on the worker's machine (default: the worker's own)")
    .option('--namespace <name>', 'namespace of the gateways (default: clusterlink-system)')
    .addOption(
      choiceOption(
        '--ingress <type>',
        'how gateways are reached; a port may follow, as in NodePort:30443; none wants --gateway (default: LoadBalancer)',
        ['LoadBalancer', 'NodePort', 'none'],
      ),
    )
    .addOption(repeatableOption('--ingress-annotation <key=value>', "annotation of the gateway's Service; repeatable"))
    .addOption(repeatableOption('--gateway <name=host:port>', "where a peer's gateway is reached (ingress none); repeatable"))
    .addOption(repeatableOption('--task-queue <name=queue>', "task queue of a worker inside a peer's network; repeatable"));
}

/** How problems name these places of a request. */
export function peerLabels({ peers }: Readonly<Record<string, unknown>>): Record<string, string> {
  const own = (Array.isArray(peers) ? peers : []).map((peer: unknown, index): Record<string, string> => {
    const ingress = isRecord(peer) && isRecord(peer['ingress']) ? peer['ingress'] : {};
    return {
      [`peers.${index}.kubeconfig`]: '--kubeconfig',
      [`peers.${index}.namespace`]: '--namespace',
      [`peers.${index}.taskQueue`]: '--task-queue',
      [`peers.${index}.ingress`]: ingress['type'] === 'none' ? '--gateway' : '--ingress',
      [`peers.${index}.ingress.annotations`]: '--ingress-annotation',
    };
  });
  return Object.assign({ peers: '--peer' }, ...own) as Record<string, string>;
}

/** The peers of a request: those of `--peer`, else those of the file, with what the other flags say of them. */
export function peersOf(values: FlagValues, base: Readonly<Record<string, unknown>>, cwd: string, problems: Problems): unknown {
  const given = pairsOf(values, 'peer', 'NAME=CONTEXT, as in west=kind-west', problems, 'peers');
  const peers: unknown = values['peer'] === undefined ? base['peers'] : given.map(([name, context]) => ({ name, context }));
  if (!Array.isArray(peers)) return peers;
  const { kubeconfig, namespace } = values;
  const gateways = new Map(pairsOf(values, 'gateway', 'NAME=HOST:PORT, as in west=198.51.100.7:443', problems));
  const taskQueues = new Map(pairsOf(values, 'task-queue', 'NAME=QUEUE', problems));
  const names = peers.flatMap((peer: unknown) => (isRecord(peer) ? [peer['name']] : []));
  for (const [flag, map] of [
    ['gateway', gateways],
    ['task-queue', taskQueues],
  ] as const) {
    for (const name of map.keys())
      if (!names.includes(name)) problems.add(`--${flag} ${name}=…: no peer of this request is named ${JSON.stringify(name)}`);
  }
  const ingress = ingressOf(values, problems);
  return peers.map((peer: unknown) => {
    if (!isRecord(peer)) return peer;
    const name = nameOf(peer);
    const taskQueue = taskQueues.get(name);
    const gateway = gateways.get(name);
    if (gateway === undefined && ingress === 'none')
      problems.add(`--ingress none: say where ${name}'s gateway is reached, with --gateway ${name}=HOST:PORT`);
    const reached = gateway !== undefined ? endpointOf(name, gateway, problems) : ingress === 'none' ? undefined : ingress;
    return {
      ...peer,
      ...(typeof kubeconfig === 'string' ? { kubeconfig: resolve(cwd, kubeconfig) } : {}),
      ...(namespace === undefined ? {} : { namespace }),
      ...(taskQueue === undefined ? {} : { taskQueue }),
      ...(reached === undefined ? {} : { ingress: reached }),
    };
  });
}

/** A peer's name; empty when what stands there is none. */
export function nameOf(peer: Readonly<Record<string, unknown>>): string {
  return typeof peer['name'] === 'string' ? peer['name'] : '';
}

/** Task queues that a request's peers have of their own. */
export function taskQueuesOf(request: { readonly peers?: unknown }): string[] {
  const peers = Array.isArray(request.peers) ? request.peers : [];
  return [
    ...new Set(peers.flatMap((peer: unknown) => (isRecord(peer) && typeof peer['taskQueue'] === 'string' ? [peer['taskQueue']] : []))),
  ];
}

/** Splits repeated `key=value`s of a flag at the first `=`. */
function pairsOf(values: FlagValues, flag: string, form: string, problems: Problems, path?: string): [string, string][] {
  const attribute = flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  const given = (values[attribute] ?? []) as readonly string[];
  return given.flatMap((text): [string, string][] => {
    const at = text.indexOf('=');
    if (at > 0 && at < text.length - 1) return [[text.slice(0, at), text.slice(at + 1)]];
    problems.add(`--${flag} ${JSON.stringify(text)}: must be ${form}`, path);
    return [];
  });
}

function ingressOf(values: FlagValues, problems: Problems): object | 'none' | undefined {
  const annotations = Object.fromEntries(pairsOf(values, 'ingress-annotation', 'KEY=VALUE', problems));
  const text = values['ingress'];
  if (typeof text !== 'string') return Object.keys(annotations).length === 0 ? undefined : { type: 'LoadBalancer', annotations };
  if (text === 'none') return 'none';
  const [, type, port] = /^(LoadBalancer|NodePort)(?::(\d{1,9}))?$/.exec(text) ?? [];
  if (type === undefined) {
    problems.add(`--ingress ${JSON.stringify(text)}: must be LoadBalancer[:PORT], NodePort[:PORT] or none`);
    return undefined;
  }
  return { type, annotations, ...(port === undefined ? {} : { [type === 'NodePort' ? 'nodePort' : 'port']: Number(port) }) };
}

function endpointOf(name: string, text: string, problems: Problems): object | undefined {
  const [, bracketed, bare, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,9}))?$/.exec(text) ?? [];
  const host = bracketed ?? bare;
  if (host === undefined) {
    problems.add(`--gateway ${name}=${text}: must be NAME=HOST:PORT, as in west=198.51.100.7:443`);
    return undefined;
  }
  return { type: 'none', host, ...(port === undefined ? {} : { port: Number(port) }) };
}
