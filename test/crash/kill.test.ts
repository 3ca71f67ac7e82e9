// A worker is killed at every point of every workflow, and another one takes over: each run goes on where it was, and ends whole or as before.
// By default one point of each workflow; SKYFABRIC_CRASH=<number> takes so many of each, SKYFABRIC_CRASH=full all.
import type { Broken, Case, Ended, Placed } from './killing';
import type { Lane, Scenario } from './lane';
import { pointsOf, some } from './points';
import { SCENARIOS } from './scenarios';
import { openStage, type Stage } from './stage';

const WANTED = process.env['SKYFABRIC_CRASH'];
/** Of each scenario. */
const POINTS = WANTED === undefined ? 1 : WANTED === 'full' ? Infinity : Number(WANTED);
const LANES_OF_EACH = POINTS > 4 ? 2 : 1;
/** Only scenarios whose title this matches; for work on one of them. */
const ONLY = new RegExp(process.env['SKYFABRIC_CRASH_ONLY'] ?? '');
const CHOSEN = SCENARIOS.filter(({ title }) => ONLY.test(title));

let stage: Stage;
beforeAll(async () => {
  stage = await openStage(CHOSEN.length * LANES_OF_EACH);
}, 120_000);
afterAll(() => stage.close(), 600_000);

test(
  'a run whose worker is killed goes on where it was, and ends whole or as before',
  async () => {
    const began = Date.now();
    const { killing, lanes } = stage;
    const queues = await Promise.all(
      CHOSEN.map(async (scenario, index): Promise<Case[]> => {
        // By default the scenarios take turns: one is killed on its way, the next one while it is undone or cancelled.
        const ends = WANTED !== undefined ? 'both' : index % 2 === 0 || scenario.lastStep === undefined ? 'whole' : 'undone';
        const model = await killing.model(lanes[index] as Lane, scenario, ends);
        const points = pointsOf(scenario, model);
        say(`${scenario.title} can be killed at ${points.length} points`);
        return some(points, POINTS, index + 1).map((point) => ({ scenario, model, point }));
      }),
    );
    const count = queues.reduce((sum, queue) => sum + queue.length, 0);
    say(`${count} points, ready after ${seconds(Date.now() - began)}`);
    const ended: (Ended | Broken)[] = [];
    try {
      while (queues.some((queue) => queue.length > 0)) {
        const broken = ended.flatMap((one) => (one.end === 'broken' ? [one.lane] : []));
        const wave = nextOf(
          queues,
          lanes.filter((lane) => !broken.includes(lane)),
        );
        const ends = await killing.kill(wave);
        for (const one of ends) if (one.end === 'broken') say(one.problem);
        ended.push(...ends);
        say(`${ended.length} of ${count} points after ${seconds(Date.now() - began)}`);
      }
    } finally {
      CHOSEN.forEach((scenario) => say(summaryOf(scenario, ended)));
    }
    expect(ended.flatMap((one) => (one.end === 'broken' ? [one.problem] : []))).toEqual([]);
    expect(ended).toHaveLength(count);
  },
  POINTS > 1 ? 7_200_000 : 600_000,
);

/** One case for each lane: the next of its own scenario, or else of the one that has most left. */
function nextOf(queues: readonly Case[][], lanes: readonly Lane[]): Placed[] {
  return lanes.flatMap((lane, index) => {
    const own = queues[index % queues.length] as Case[];
    const queue = own.length > 0 ? own : [...queues].sort((a, b) => b.length - a.length)[0];
    const next = queue?.shift();
    return next === undefined ? [] : [{ ...next, lane }];
  });
}

function summaryOf(scenario: Scenario, all: readonly (Ended | Broken)[]): string {
  const own = all.filter((one) => one.scenario === scenario);
  const count = (end: (Ended | Broken)['end']): number => own.filter((one) => one.end === end).length;
  const longest = Math.max(0, ...own.map((one) => (one.end === 'broken' ? 0 : one.recoveryMs)));
  const failed = own.filter((one) => one.point.fate === 'is cancelled' && one.end !== 'broken' && one.status === 'failed').length;
  const misnamed = failed === 0 ? '' : ` (${failed} of the cancelled ones as failed)`;
  const broken = count('broken') === 0 ? '' : `, ${count('broken')} neither`;
  return `${scenario.title}: killed at ${own.length} points, ${count('whole')} ended whole and ${count('as before')} as before${misnamed}${broken}; the last one ${seconds(longest)} after the kill`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
