// `skyfabric graph`: who is linked to whom, and which service is called from where.
import { Command } from 'commander';
import type { Register } from '../contract/register';
import { addCommonFlags, readChoice, readFabricName, targetOf, taskQueueOf } from './common-flags';
import type { CliContext } from './context';
import { loadQueries, loadSession } from './lazy';
import { oneLine } from '../errors/plain-text';
import { Problems } from './problems';
import { serviceName } from './register-view';

const GRAPH_FORMATS = ['text', 'dot', 'mermaid'] as const;

/** The command. */
export function graphCommand(context: CliContext): Command {
  const command = new Command('graph')
    .description("draw a fabric's links and connections")
    .option('--fabric <name>', 'the fabric (default: default)');
  addCommonFlags(command, GRAPH_FORMATS).addHelpText(
    'after',
    '\nExamples:\n    $ skyfabric graph\n    $ skyfabric graph -o dot | dot -Tsvg > fabric.svg\n    $ skyfabric graph -o mermaid',
  );
  return command.action(async () => {
    const values = command.opts();
    const problems = new Problems();
    const format = readChoice(values['output'], GRAPH_FORMATS, '--output', problems);
    const fabric = readFabricName(values, problems);
    const target = targetOf(values, context, problems);
    problems.throwIfAny('graph');
    await loadSession().withTemporal(target, async (session) => {
      const register = await loadQueries().existingRegister(session, fabric, taskQueueOf(context));
      context.stdout.write(`${DRAW[format](register).join('\n')}\n`);
    });
  });
}

const DRAW: Readonly<Record<(typeof GRAPH_FORMATS)[number], (register: Register) => string[]>> = { text, dot, mermaid };

/** Draws a register as text. */
function text({ fabric, peers, links, connections }: Register): string[] {
  return [
    `fabric ${oneLine(fabric)}`,
    ...peers.map(({ name }) => {
      const remotes = links.flatMap(({ a, b }) => (a === name ? [b] : b === name ? [a] : []));
      return `  ${oneLine(`${name} ── ${remotes.join(', ') || 'no links'}`)}`;
    }),
    ...connections.flatMap((connection) => [
      oneLine(serviceName(connection)),
      ...Object.entries(connection.imports).map(([importer, sources]) => `  ${oneLine(`${importer} ──▶ ${sources.join(', ')}`)}`),
    ]),
  ];
}

function dot({ fabric, peers, links, connections }: Register): string[] {
  return [
    `digraph ${quoted(fabric)} {`,
    ...peers.map(({ name }) => `  ${quoted(name)};`),
    ...links.map(({ a, b }) => `  ${quoted(a)} -> ${quoted(b)} [dir=none, style=bold];`),
    ...calls(connections).map(
      ([importer, source, service]) => `  ${quoted(importer)} -> ${quoted(source)} [label=${quoted(service)}, style=dashed];`,
    ),
    '}',
  ];
}

function mermaid({ peers, links, connections }: Register): string[] {
  // Mermaid's words (`end`, `graph`) are no node ids, so nodes are numbered.
  const ids = new Map(peers.map(({ name }, index) => [name, `p${index}`]));
  return [
    'graph LR',
    ...peers.map(({ name }) => `  ${ids.get(name) ?? ''}[${quoted(name)}]`),
    ...links.map(({ a, b }) => `  ${ids.get(a) ?? ''} === ${ids.get(b) ?? ''}`),
    ...calls(connections).map(
      ([importer, source, service]) => `  ${ids.get(importer) ?? ''} -. ${quoted(service)} .-> ${ids.get(source) ?? ''}`,
    ),
  ];
}

function calls(connections: Register['connections']): (readonly [importer: string, source: string, service: string])[] {
  return connections.flatMap((connection) =>
    Object.entries(connection.imports).flatMap(([importer, sources]) =>
      sources.map((source) => [importer, source, serviceName(connection)] as const),
    ),
  );
}

/** Names are DNS labels; nothing in them wants more than quotes. */
function quoted(name: string): string {
  return JSON.stringify(oneLine(name));
}
