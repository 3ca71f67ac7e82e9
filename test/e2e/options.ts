// What the end-to-end run is asked to do, read from its command line.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { FabricError } from '../../src/errors/fabric-error';

/** Names of the peers, in the order of the contexts; the others are linked to the hub. */
export const PEERS = ['hub', 'left', 'right'] as const;
export type PeerName = (typeof PEERS)[number];

const DATAPLANES = ['envoy', 'go'] as const;
const MODES = ['direct', 'operator'] as const;
const INGRESSES = ['LoadBalancer', 'NodePort'] as const;

/** One way to install gateways. */
export interface Combination {
  readonly dataplane: (typeof DATAPLANES)[number];
  readonly mode: (typeof MODES)[number];
}

export interface E2eOptions {
  /** Absolute. */
  readonly kubeconfig: string;
  readonly contexts: Readonly<Record<PeerName, string>>;
  readonly combinations: readonly Combination[];
  /** Scenarios to play between the bootstrap and the teardown; all when absent. */
  readonly only?: readonly string[];
  readonly ingress: (typeof INGRESSES)[number];
  /** Leaves everything standing after a failure. */
  readonly keep: boolean;
  readonly json: boolean;
}

export const USAGE = `usage: npm run e2e -- --kubeconfig FILE --contexts HUB,LEFT,RIGHT [options]
  --dataplanes ${DATAPLANES.join(',')}   data planes to try (default: all)
  --modes ${MODES.join(',')}      ways to install gateways (default: all)
  --only NAME,NAME          scenarios to play between bootstrap and teardown (default: all)
  --ingress TYPE            ${INGRESSES.join(' or ')}: how gateways are reached (default: ${INGRESSES[0]})
  --keep                    leave everything standing after a failure
  --json                    print the steps as JSON at the end`;

/** Reads the flags. @throws invalid */
export function readOptions(args: readonly string[], scenarios: readonly string[]): E2eOptions {
  const { values } = parse(args);
  const contexts = listOf(values.contexts);
  const [hub, left, right] = contexts;
  if (values.kubeconfig === undefined || hub === undefined || left === undefined || right === undefined || contexts.length !== 3) {
    throw invalid('a kubeconfig and three contexts are needed');
  }
  const modes = chosen('--modes', values.modes, MODES);
  const [ingress = INGRESSES[0]] = chosen('--ingress', values.ingress, INGRESSES);
  return {
    kubeconfig: resolve(values.kubeconfig),
    contexts: { hub, left, right },
    combinations: chosen('--dataplanes', values.dataplanes, DATAPLANES).flatMap((dataplane) => modes.map((mode) => ({ dataplane, mode }))),
    ...(values.only === undefined ? {} : { only: chosen('--only', values.only, scenarios) }),
    ingress,
    keep: values.keep,
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      args: [...args],
      options: { kubeconfig: text, contexts: text, dataplanes: text, modes: text, only: text, ingress: text, keep: flag, json: flag },
    });
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error));
  }
}

function listOf(value: string | undefined): string[] {
  return (value ?? '').split(',').filter((part) => part !== '');
}

function chosen<T extends string>(flag: string, value: string | undefined, known: readonly T[]): readonly T[] {
  if (value === undefined) return known;
  return listOf(value).map((name) => {
    const found = known.find((one) => one === name);
    if (found === undefined) throw invalid(`${flag} knows no ${JSON.stringify(name)}, only ${known.join(', ')}`);
    return found;
  });
}

function invalid(message: string): FabricError {
  return new FabricError({ code: 'invalid', message, hint: USAGE });
}
