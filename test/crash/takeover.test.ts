// Workers that others take over from: one that hangs and comes back when its runs have long ended, and one of two that is killed. Both at
// once, on a stage each, because both wait for the same 20 seconds: until a worker is taken for dead.
import { ORCHESTRATOR } from '../support/user-agent';
import { lookAtEnd, until, type Placed } from './killing';
import { countWrites, type Point } from './points';
import { scenarioOf } from './scenarios';
import { openStage, type Stage } from './stage';

type Wanted = readonly { readonly title: string; readonly point: Point }[];

/**
 * In the middle of a step, at the answer to a request after which comes a write that would harm a run that has been undone meanwhile. The
 * request is carried out while the worker hangs.
 */
const HANGING = [
  ['BootstrapFabric', 'west/deploy-gateway', { verb: 'patch', resource: 'services', name: 'clusterlink' }],
  ['ConnectServiceAcrossClusters', 'west/export-service', { verb: 'get', resource: 'exports', name: 'echo' }],
  ['TeardownLink, forced', 'east/withdraw-imports', { verb: 'get', resource: 'imports', name: 'echo' }],
] as const;
/** Long enough for a busy machine to bring all of them there, and over before the worker is taken for dead. */
const LATE_MS = 15_000;

const KILLED: Wanted = [
  { title: 'BootstrapFabric', point: { fate: 'fails', activityId: 'west/prepare-gateway/undo', moment: 'after' } },
  { title: 'ConnectServiceAcrossClusters', point: { fate: 'goes on', activityId: 'west/export-service', moment: 'after' } },
];

let hanging: Stage;
let pair: Stage;
beforeAll(async () => {
  // Every activity that the worker may run at once is one that hangs, so it waits for no other, and would not swallow it when it is paused;
  // and it keeps no workflow to itself.
  const tuning = { maxConcurrentActivityTaskExecutions: HANGING.length, maxCachedWorkflows: 0, maxConcurrentWorkflowTaskPolls: 1 };
  hanging = await openStage(HANGING.length, tuning);
  pair = await openStage(KILLED.length);
}, 300_000);
afterAll(() => Promise.all([hanging.close(), pair.close()]), 300_000);

test('a worker that hung in the middle of its steps writes nothing more after another has taken over, and the second of two goes on for the first', async () => {
  await Promise.all([hangAndComeBack(hanging), killOneOfTwo(pair)]);
}, 300_000);

async function hangAndComeBack(stage: Stage): Promise<void> {
  const { killing } = stage;
  const wanted: Wanted = HANGING.map(([title, activityId]) => ({ title, point: { fate: 'fails', activityId, moment: 'before' } }));
  const stopped = await killing.bring(await casesOf(stage, wanted));
  const late = stopped.map(({ lane }, index) =>
    lane.harness.faults.add({ match: { ...HANGING[index]![2], userAgent: ORCHESTRATOR }, fault: 'slow', delayMs: LATE_MS }),
  );
  const letGoAt = Date.now();
  killing.everyWorker((worker) => worker.letGo('before'));
  await until(() => late.every((one) => one.fired() === 1));
  killing.everyWorker((worker) => worker.pause());
  const pausedAt = Date.now();
  // Otherwise the first one may have gone on.
  expect(pausedAt - letGoAt).toBeLessThan(LATE_MS);
  const hung = killing.retire();
  try {
    await killing.addWorker();
    const ended = await Promise.all(stopped.map((one) => lookAtEnd(one, pausedAt)));
    expect(ended.map(({ end }) => end)).toEqual(HANGING.map(() => 'as before'));
    expect(hung.map(({ running }) => running)).toEqual([HANGING.length]);
    const counters = stopped.map(({ lane }) => countWrites(lane.harness));
    hung.forEach((worker) => worker.resume());
    await until(() => hung.every(({ running }) => running === 0));
    const written = counters.map((counter) => [...counter.end().values()].reduce((sum, count) => sum + count));
    expect(written).toEqual(HANGING.map(() => 0));
    // And all is still as it was when the runs ended.
    await Promise.all(stopped.map((one) => lookAtEnd(one, pausedAt)));
    say(`a worker hung in the middle of ${stopped.length} steps: all runs were undone by another, the last one ${longest(ended)} later`);
  } finally {
    await Promise.all(hung.map((worker) => worker.kill()));
  }
}

async function killOneOfTwo(stage: Stage): Promise<void> {
  const { killing } = stage;
  const first = killing.any();
  const second = await killing.addWorker();
  const cases = await casesOf(stage, KILLED);
  const stopped = await killing.bring(cases);
  const steps = stopped.flatMap(({ run: { workflowId }, point }) =>
    'moment' in point ? [{ workflowId, activityId: point.activityId, moment: point.moment }] : [],
  );
  const [victim, survivor] = first.countHeld(steps) > second.countHeld(steps) ? [first, second] : [second, first];
  survivor.disarm(steps);
  survivor.letGo('after');
  await killing.lose(victim);
  const killedAt = Date.now();
  const ended = await Promise.all(stopped.map((one) => lookAtEnd(one, killedAt)));
  expect(ended.map(({ end }) => end)).toEqual(KILLED.map(({ point: { fate } }) => (fate === 'fails' ? 'as before' : 'whole')));
  say(
    `one of two workers was killed with ${victim.countHeld(steps)} of ${steps.length} steps in its hands: all runs ended whole or as before, the last one ${longest(ended)} later`,
  );
}

/** What the points need to know of a run that ends whole is found by letting one do so. */
function casesOf({ killing, lanes }: Stage, wanted: Wanted): Promise<Placed[]> {
  return Promise.all(
    wanted.map(async ({ title, point }, index) => {
      const lane = lanes[index]!;
      const scenario = scenarioOf(title);
      return { lane, scenario, model: point.fate === 'goes on' ? await killing.model(lane, scenario, 'whole') : {}, point };
    }),
  );
}

function longest(ended: readonly { readonly recoveryMs: number }[]): string {
  return `${(Math.max(...ended.map(({ recoveryMs }) => recoveryMs)) / 1_000).toFixed(1)} s`;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
