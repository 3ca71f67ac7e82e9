// The Temporal server is killed again and again while runs are under way, once together with their worker, and started again on the same
// database: each run goes on, and ends whole or as before.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTemporalCli } from '../../src/temporal/cli-binary';
import { startDevServer, type DevServer } from '../../src/temporal/dev-server';
import { lookAtEnd, until, type Stopped } from './killing';
import type { Fate } from './points';
import { scenarioOf } from './scenarios';
import { openStage, type Stage } from './stage';

/** Every scenario here begins with it. */
const FIRST_STEP = 'fabric/read-register';

const RUNS: readonly (readonly [title: string, fate: Fate])[] = [
  ['BootstrapFabric', 'fails'],
  ['ConnectServiceAcrossClusters', 'goes on'],
  ['TeardownLink, forced', 'fails'],
  ['VerifyFabric', 'goes on'],
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
  stage = await openStage(RUNS.length, server.address);
}, 120_000);
afterAll(async () => {
  await stage.close();
  await server.close();
  await rm(directory, { recursive: true, force: true });
}, 120_000);

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
      return {
        lane,
        scenario,
        model: await killing.model(lane, scenario, fate === 'goes on' ? 'whole' : 'undone'),
        point: { fate, activityId: FIRST_STEP, moment: 'before' as const },
      };
    }),
  );
  const expected = cases.reduce((sum, { model }) => sum + (model.whole ?? model.undone)!.activityIds.length, 0);
  const stopped = await killing.bring(cases);
  const begunAt = Date.now();
  killing.everyWorker((worker) => worker.letGo('before'));
  const done: number[] = [];
  for (const share of [0.2, 0.4, 0.6, 0.8]) {
    await until(async () => (await countDone(stopped)) >= share * expected);
    done.push(await countDone(stopped));
    // The second time all are gone at once, as on a machine that loses its power.
    const losesAll = share === 0.4;
    await restart(losesAll ? () => killing.close() : undefined);
    if (losesAll) await killing.addWorker();
  }
  const ended = await Promise.all(stopped.map((one) => lookAtEnd(one, begunAt)));
  expect(ended.map(({ end }) => end)).toEqual(RUNS.map(([, fate]) => (fate === 'fails' ? 'as before' : 'whole')));
  process.stderr.write(
    `the Temporal server was killed when ${done.join(', ')} of ${expected} steps of ${RUNS.length} runs were done; all ended whole or as before, the last one after ${((Date.now() - begunAt) / 1_000).toFixed(1)} s\n`,
  );
}, 300_000);
