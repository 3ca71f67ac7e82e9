// A fabric's register as text for people.
import type { Register, RegisteredConnection } from '../contract/register';
import { remotesOf } from '../model/topology';
import type { Paint } from './paint';
import { oneLine } from '../errors/plain-text';
import type { RunSummary } from './queries';
import { columns, span } from './table';

/** The fabric's peers, links and connections, and the runs that go on. */
export function registerView(register: Register, running: readonly RunSummary[], paint: Paint): string {
  const { fabric, peers, links, connections } = register;
  const remotes = remotesOf(links);
  const sections = [
    [
      `${paint('bold', `Fabric ${oneLine(fabric)}`)}: ${count(peers.length, 'peer')}, ${count(links.length, 'link')}, ${count(connections.length, 'connection')}`,
      ...columns(
        peers.map(({ name, context, endpoint, namespace }) => [
          name,
          context,
          `${endpoint.host}:${endpoint.port}`,
          namespace,
          remotes.get(name)?.join(', ') ?? 'none',
        ]),
        ['PEER', 'CONTEXT', 'GATEWAY', 'NAMESPACE', 'LINKED TO'],
      ),
    ],
    connections.length === 0
      ? []
      : columns(connections.flatMap(connectionRows), ['SERVICE', 'CALLED FROM', 'ANSWERED BY', 'BALANCING', 'SHOWN BY']),
    running.length === 0 ? [] : runRows(running),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

/** Runs as a table. */
export function runRows(runs: readonly RunSummary[]): string[] {
  return columns(
    runs.map(({ workflowId, kind, outcome, startedAt, durationMs }) => [
      `${startedAt.slice(0, 19).replace('T', ' ')}Z`,
      outcome,
      span(durationMs),
      kind,
      workflowId,
    ]),
    ['STARTED', 'OUTCOME', 'TOOK', 'RUN', 'WORKFLOW ID'],
  );
}

/** A service as it is written: `demo/echo:8080`. */
export function serviceName({ service: { namespace, name, port } }: RegisteredConnection): string {
  return `${namespace}/${name}:${port}`;
}

function connectionRows(connection: RegisteredConnection): string[][] {
  const { imports, loadBalancing, verify } = connection;
  return Object.entries(imports).map(([importer, sources]) => [
    serviceName(connection),
    importer,
    sources.join(', '),
    loadBalancing,
    verify.mode,
  ]);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
