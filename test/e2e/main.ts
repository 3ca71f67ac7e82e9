// The end-to-end run: every scenario on real clusters, with each data plane and each way to install gateways. See README.md.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAllowExec } from '../../src/cli/exec-flag';
import { startDev } from '../../src/cli/run-dev';
import { TASK_QUEUE } from '../../src/contract/task-queue';
import { isFabricError } from '../../src/errors/fabric-error';
import { ClusterPool } from '../../src/kubernetes/cluster-pool';
import { connectClient } from '../../src/temporal/connection';
import { takeEverything } from '../support/everything';
import { Journal } from './journal';
import { PEERS, readOptions, USAGE, type E2eOptions, type PeerName } from './options';
import { access } from './scenarios/access';
import { bootstrap } from './scenarios/bootstrap';
import { heal } from './scenarios/heal';
import { links } from './scenarios/links';
import { merge } from './scenarios/merge';
import { rollbackBesideFabric, rollbackFromNothing } from './scenarios/rollback';
import { rollout } from './scenarios/rollout';
import { sources } from './scenarios/sources';
import { teardown } from './scenarios/teardown';
import { verify } from './scenarios/verify';
import { startWorkloads, stopWorkloads } from './workloads';
import { World, type Scenario, type WorldParts } from './world';

/** Between these comes the bootstrap, and after them the teardown, whatever is chosen. */
const BEFORE: readonly Scenario[] = [rollbackFromNothing];
const AFTER: readonly Scenario[] = [sources, rollout, verify, merge, access, heal, links, rollbackBesideFabric];

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  const options = readOptions(
    process.argv.slice(2),
    [...BEFORE, ...AFTER].map(({ name }) => name),
  );
  const allowExec = readAllowExec({}, process.env);
  const pool = new ClusterPool({ allowExec });
  const clusters = byPeer((name) => pool.cluster({ context: options.contexts[name], kubeconfig: options.kubeconfig }));
  const keyDirectory = await mkdtemp(join(tmpdir(), 'skyfabric-e2e-'));
  const journal = new Journal(say);
  const bare = await eachPeer((name) => takeEverything(clusters[name]));
  const dev = await startDev({
    worker: {
      taskQueue: TASK_QUEUE,
      keyStore: `file:${keyDirectory}`,
      releaseDirectory: keyDirectory,
      cwd: process.cwd(),
      kubeconfig: options.kubeconfig,
      allowExec,
      log: say,
    },
    env: process.env,
    onProgress: say,
  });
  const target = { address: dev.address, namespace: dev.namespace, ignoreConfig: true };
  const { client, close } = await connectClient(target);
  say(`Temporal UI ${dev.uiUrl}`);
  // A run that goes on is cancelled by itself (world.ts); here what would come next is given up.
  const interruption = new AbortController();
  process.on('SIGINT', () => interruption.abort());
  try {
    await eachPeer((name) => startWorkloads(clusters[name], name));
    const before = await eachPeer((name) => takeEverything(clusters[name]));
    const common = { options, clusters, client, target, journal, before, keyDirectory, interruption: interruption.signal };
    for (const combination of options.combinations) {
      if (await playAll({ ...common, combination })) continue;
      if (options.keep) return;
      break;
    }
    await eachPeer((name) => stopWorkloads(clusters[name]));
    const [combination] = options.combinations;
    if (combination === undefined) return;
    const last = new World({ ...common, combination, before: bare });
    await last.play({ name: 'end', play: (world) => world.step('every cluster is as it was', () => world.expectAsBefore()) });
  } catch (error) {
    tell(error);
  } finally {
    report(journal, options);
    await close();
    await dev.stop();
    await pool.close();
    await rm(keyDirectory, { recursive: true, force: true });
  }
}

/** Plays the chosen scenarios; after a failure only the teardown. Returns whether the clusters are clean again. */
async function playAll(parts: WorldParts): Promise<boolean> {
  const { options, combination } = parts;
  const world = new World(parts);
  const isChosen = ({ name }: Scenario): boolean => options.only?.includes(name) ?? true;
  const play = async (scenario: Scenario): Promise<boolean> => {
    say(`${combination.dataplane} ${combination.mode}: ${scenario.name}`);
    try {
      await world.play(scenario);
      return true;
    } catch (error) {
      tell(error);
      return false;
    }
  };
  for (const scenario of [...BEFORE.filter(isChosen), bootstrap, ...AFTER.filter(isChosen)]) {
    if (parts.interruption.aborted) say('interrupted');
    else if (await play(scenario)) continue;
    if (options.keep) return false;
    break;
  }
  return (await play(teardown)) && !parts.interruption.aborted;
}

function tell(error: unknown): void {
  process.exitCode = 1;
  const hint = isFabricError(error) && error.hint !== undefined ? `\n    ${error.hint}` : '';
  say(`    ${(error instanceof Error ? error.message : String(error)).replaceAll('\n', '\n    ')}${hint}`);
}

function report(journal: Journal, { json }: E2eOptions): void {
  if (journal.failed) process.exitCode = 1;
  process.stdout.write(json ? `${JSON.stringify(journal.entries, undefined, 1)}\n` : `\n${journal.table().join('\n')}\n`);
}

function byPeer<T>(of: (name: PeerName) => T): Record<PeerName, T> {
  return { hub: of('hub'), left: of('left'), right: of('right') };
}

async function eachPeer<T>(of: (name: PeerName) => Promise<T>): Promise<Record<PeerName, T>> {
  const all = byPeer(of);
  await Promise.all(PEERS.map((name) => all[name]));
  return { hub: await all.hub, left: await all.left, right: await all.right };
}

if (process.argv.includes('--help')) process.stdout.write(`${USAGE}\n`);
else main().catch((error: unknown) => tell(error));
