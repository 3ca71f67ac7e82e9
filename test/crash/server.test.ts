// The Temporal server is killed again and again while runs are under way, once together with their worker, and started again on the same
// database: each run goes on, and ends whole or as before.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTemporalCli } from '../../src/temporal/cli-binary';
import { startDevServer, type DevServer } from '../../src/temporal/dev-server';
import type { Hold } from '../support/holds';
import { lookAtEnd, until, type Stopped } from './killing';
import type { Fate } from './points';
import { scenarioOf } from './scenarios';
import { openStage, type Stage } from './stage';

/** Every scenario here begins with it. */
const FIRST_STEP = 'fabric/read-register';
/** In the undoing of the first one. */
const UNDO = 'west/prepare-gateway/undo';

const RUNS: readonly (readonly [title: string, fate: Fate])[] = [
  ['BootstrapFabric', 'fails'],
  ['ConnectServiceAcrossClusters', 'goes on'],
  ['TeardownLink, forced', 'fails'],
];

let directory: string;
let server: DevServer;
let stage: Stage;
let start: (port?: number) => Promise<DevServer>;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-server-'));
  const { path: binary } = await findTemporalCli();
  start = (port) => startDevServer({ binary, port, dbFilename: join(directory, 'temporal.db') });
  server = await start();
  stage = await openStage(RUNS.length, {}, server.address);
}, 300_000);
afterAll(async () => {
  try {
    await stage.close();
  } finally {
    await server.close();
    await rm(directory, { recursive: true, force: true });
  }
}, 300_000);

/** Kills the server, and starts it again where it was. */
async function restart(meanwhile: () => Promise<unknown> = async () => undefined): Promise<void> {
  process.kill(server.pid, 'SIGKILL');
  await server.close();
  await meanwhile();
  server = await start(Number(server.address.split(':').at(-1)));
}

/** How many activities of these runs have ended. */
async function countDone(stopped: readonly Stopped[]): Promise<number> {
  const histories = await Promise.all(stopped.map(({ lane, run }) => lane.harness.history(run)));
  return histories.flatMap(({ events }) => events ?? []).filter(({ activityTaskCompletedEventAttributes: one }) => one != null).length;
}

test('runs whose Temporal server is killed go on where they were, and end whole or as before', async () => {
  const { killing, lanes } = stage;
  const cases = await Promise.all(
    RUNS.map(async ([title, fate], index) => {
      const scenario = scenarioOf(title);
      const lane = lanes[index]!;
      const model = fate === 'goes on' ? await killing.model(lane, scenario, 'whole') : {};
      return { lane, scenario, model, point: { fate, activityId: FIRST_STEP, moment: 'before' as const } };
    }),
  );
  const stopped = await killing.bring(cases);
  const undo: Hold = { workflowId: stopped[0]!.run.workflowId, activityId: UNDO, moment: 'before' };
  killing.everyWorker((worker) => worker.hold([undo]));
  const begunAt = Date.now();
  killing.everyWorker((worker) => worker.letGo('before'));

  await until(async () => (await countDone(stopped)) >= 10);
  await restart();
  await until(async () => (await countDone(stopped)) >= 20);
  // All are gone at once, as on a machine that loses its power.
  await restart(() => killing.close());
  const worker = await killing.addWorker();
  worker.hold([undo]);
  await worker.held(undo);
  // The undo goes on while nobody can be asked.
  await restart(async () => worker.letGo('before'));

  const ended = await Promise.all(stopped.map((one) => lookAtEnd(one, begunAt)));
  expect(ended.map(({ end }) => end)).toEqual(RUNS.map(([, fate]) => (fate === 'fails' ? 'as before' : 'whole')));
  const longestMs = Math.max(...ended.map(({ recoveryMs }) => recoveryMs));
  process.stderr.write(
    `the Temporal server was killed three times under ${RUNS.length} runs: all ended whole or as before, the last one after ${(longestMs / 1_000).toFixed(1)} s\n`,
  );
}, 300_000);
