// Workers that others take over from while they are still there: one that hangs and comes back, and one of two.
import { lookAtEnd, until, type Placed } from './killing';
import { countWrites, type Point } from './points';
import { scenarioOf } from './scenarios';
import { openStage, type Stage } from './stage';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage(4);
}, 120_000);
afterAll(() => stage.close(), 120_000);

async function casesOf(points: readonly (readonly [title: string, point: Point])[]): Promise<Placed[]> {
  return Promise.all(
    points.map(async ([title, point], index) => {
      const scenario = scenarioOf(title);
      const lane = stage.lanes[index]!;
      await lane.leave();
      return { lane, scenario, model: await stage.killing.model(lane, scenario, point.fate === 'goes on' ? 'whole' : 'undone'), point };
    }),
  );
}

test('a worker that hung in the middle of its writes does no harm when it comes back after another has taken over', async () => {
  const { killing } = stage;
  // Each of these writes is answered while the worker hangs, so that it goes on with the next one at once when it is back.
  const cases = await casesOf([
    ['BootstrapFabric', { fate: 'fails', cluster: 'west', write: 25, answeredAfterMs: 500 }],
    ['ConnectServiceAcrossClusters', { fate: 'fails', cluster: 'east', write: 2, answeredAfterMs: 500 }],
    ['EstablishLink', { fate: 'goes on', cluster: 'west', write: 1, answeredAfterMs: 500 }],
    ['TeardownLink, forced', { fate: 'fails', cluster: 'east', write: 2, answeredAfterMs: 500 }],
  ]);
  const stopped = await killing.bring(cases);
  killing.everyWorker((worker) => worker.pause());
  const pausedAt = Date.now();
  const hung = killing.retire();
  await killing.addWorker();
  const ended = await Promise.all(stopped.map((one) => lookAtEnd(one, pausedAt)));
  const counters = stopped.map(({ lane }) => countWrites(lane.harness));
  hung.forEach((worker) => worker.resume());
  expect(hung.some(({ running }) => running > 0)).toBe(true);
  await until(() => hung.every(({ running }) => running === 0));
  const late = counters.map((counter) => [...counter.end().values()].reduce((sum, count) => sum + count));
  // All is as it was when the runs ended.
  expect((await Promise.all(stopped.map((one) => lookAtEnd(one, pausedAt)))).map(({ end }) => end)).toEqual(ended.map(({ end }) => end));
  await Promise.all(hung.map((worker) => worker.kill()));
  process.stderr.write(`a worker that hung at ${stopped.length} points: late writes ${late.join(', ')}\n`);
}, 300_000);

test('of two workers one is killed, and the other one finishes the runs of both', async () => {
  const { killing } = stage;
  const first = killing.any();
  const second = await killing.addWorker();
  const cases = await casesOf([
    ['BootstrapFabric', { fate: 'goes on', activityId: 'west/deploy-gateway', moment: 'after' }],
    ['ConnectServiceAcrossClusters', { fate: 'goes on', activityId: 'west/export-service', moment: 'after' }],
    ['DisconnectService', { fate: 'goes on', activityId: 'east/withdraw-imports', moment: 'after' }],
    ['VerifyFabric', { fate: 'goes on', activityId: 'west/start-echo-server', moment: 'after' }],
  ]);
  const stopped = await killing.bring(cases);
  const steps = stopped.map(({ run, point }) => ({
    workflowId: run.workflowId,
    activityId: 'activityId' in point ? point.activityId : '',
  }));
  const [victim, survivor] = first.countHeld(steps) > second.countHeld(steps) ? [first, second] : [second, first];
  await victim.kill();
  const killedAt = Date.now();
  survivor.letGo('after');
  const ended = await Promise.all(stopped.map((one) => lookAtEnd(one, killedAt)));
  expect(ended.map(({ end }) => end)).toEqual(stopped.map(() => 'whole'));
  process.stderr.write(
    `one of two workers was killed with ${victim.countHeld(steps)} of ${steps.length} runs in its hands: all ended whole, the last one ${(Math.max(...ended.map(({ recoveryMs }) => recoveryMs)) / 1_000).toFixed(1)} s after the kill\n`,
  );
}, 300_000);
