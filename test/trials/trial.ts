// One trial: the base, a schedule played on it, what must hold then, the healing, and the way back to the base.
import { inspect } from 'node:util';
import { checkHistories } from './invariants/histories';
import { check, type InvariantName, type Violation } from './invariants';
import { differencesOf, heal, reset, restore, snapshot } from './base';
import { drawSchedule } from './draw-schedule';
import { foreignDifferences } from './foreign';
import { Journal } from './journal';
import { observe, type Observation } from './observation';
import { play, tellEnd, type Played } from './play';
import { describePlan } from './requests';
import { Runner, type EndedRun } from './runs';
import { touchesSteady, type Schedule } from './schedule';
import { settled } from './settle';
import { SourceWatch } from './source-watch';
import { Traffic } from './traffic';
import { User } from './user';
import type { TrialWorker } from './worker';
import type { World } from './world';

/** What a trial came to. */
export interface Verdict {
  readonly seed: number;
  readonly trial: number;
  readonly theme: Schedule['theme'];
  readonly setting: Schedule['setting'];
  readonly violations: readonly Violation[];
  /** Whether the world is not as it should be, told or not. */
  readonly spoilt: boolean;
  readonly counts: Readonly<Record<string, number>>;
  readonly ms: number;
  /** Of a trial that failed. */
  readonly journal: readonly string[];
}

/** A world with what stood on it when it was as every trial begins. */
export interface Furnished {
  readonly world: World;
  readonly base: ReadonlySet<string>;
  readonly foreign: ReadonlyMap<string, string>;
}

const PATIENT = { step: '90s', undo: '90s' };

/** @param only reports just this invariant */
export async function runTrial(
  worker: TrialWorker,
  furnished: Furnished,
  seed: number,
  trial: number,
  only?: InvariantName,
): Promise<Verdict> {
  const schedule = drawSchedule(seed, trial);
  const { theme, setting } = schedule;
  const journal = new Journal();
  const violations = await new Trial(worker, furnished, schedule, journal).run().catch((error: unknown): Violation[] => {
    return [
      {
        invariant: 'as-it-began',
        when: 'during',
        told: `the trial itself failed: ${inspect(error)}`,
      },
    ];
  });
  const reported = violations.filter(({ invariant }) => only === undefined || invariant === only);
  return {
    seed,
    trial,
    theme,
    setting,
    violations: reported,
    spoilt: violations.length > 0,
    counts: journal.counts(),
    ms: journal.ms,
    journal: reported.length === 0 ? [] : journal.lines(),
  };
}

class Trial {
  private readonly user: User;
  private readonly runner: Runner;
  private readonly violations: Violation[] = [];

  constructor(
    private readonly worker: TrialWorker,
    private readonly furnished: Furnished,
    private readonly schedule: Schedule,
    private readonly journal: Journal,
  ) {
    this.user = new User(furnished.world, journal, schedule.traffic);
    this.runner = new Runner(worker, furnished.world, PATIENT, journal);
  }

  async run(): Promise<Violation[]> {
    const { worker, schedule, journal, user } = this;
    const { world } = this.furnished;
    journal.note(
      `${schedule.theme} on ${schedule.setting === 'bare' ? 'bare clusters' : 'the fabric'}, ${schedule.runs.length} runs, steps of ${schedule.deadlines.step}`,
    );
    if (schedule.setting === 'bare') await this.strip();
    const sources = new SourceWatch(world, (cluster, object, source) => {
      journal.note(`${cluster}: ${object} names ${source}, which has no Peer there`);
      if (user.touched.has(`${cluster}: ${object}`) || user.touched.has(`${cluster}: Peer clusterlink-system/${source}`)) return;
      this.violations.push({
        invariant: 'sources',
        when: 'during',
        told: `${cluster}: ${object} named ${source} while there was no Peer ${source}`,
      });
    });
    const traffic = schedule.traffic && !touchesSteady(schedule) ? new Traffic(world, journal) : undefined;
    try {
      const played = await play(worker, world, schedule, user, journal);
      const after = await this.observe(played);
      const isOwed = after.runs.some(({ residue, how }) => residue.length > 0 || how === 'stuck');
      // A cancelled teardown is gone on with by the same request, and by nobody else.
      const isBroken = after.runs.some(({ plan, how }) => how === 'stuck' || (plan.kind === 'TeardownFabric' && how === 'cancelled'));
      const isDisturbed = user.touched.size > 0 || isBroken;
      this.violations.push(...check(after, 'after', isOwed || isDisturbed ? ['register'] : []));
      await this.checkHistories(after.runs);
      await user.clearUp();
      if (isOwed) await this.settle(after, isDisturbed);
      if (isDisturbed) await this.heal(after);
    } finally {
      sources.stop();
      await traffic?.stop();
    }
    this.violations.push(...(traffic?.dropped ?? []).map((told): Violation => ({ invariant: 'traffic', when: 'during', told })));
    await this.reset();
    return this.violations;
  }

  /** From the fabric to bare clusters, for schedules that begin there. */
  private async strip(): Promise<void> {
    const ended = await this.runner.run({ kind: 'TeardownFabric', force: false });
    this.expectDone([ended], 'reset');
    const left = [...(await snapshot(this.worker, this.furnished.world))];
    this.violations.push(
      ...left.map((line): Violation => ({
        invariant: 'as-it-began',
        when: 'reset',
        told: `${line.trim()} is left of a whole fabric that was torn down`,
      })),
    );
  }

  /** Once no cluster is away any more, what is owed is done, and then nothing of a failed run stands. */
  private async settle(after: Observation, isDisturbed: boolean): Promise<void> {
    const { worker, furnished, journal } = this;
    journal.note('owed cleanup');
    journal.count('runs that owed cleanup', after.runs.filter(({ residue }) => residue.length > 0).length);
    const left = await settled(worker, furnished.world.fabric);
    this.violations.push(...left.map((told): Violation => ({ invariant: 'settled', when: 'settled', told })));
    const observation = await this.observe({ runs: [], keptAway: new Set() });
    this.violations.push(...check(observation, 'settled', isDisturbed ? ['register'] : []));
  }

  /** Once nothing fails any more, the same requests again must lead to what they ask for. */
  private async heal(after: Observation): Promise<void> {
    this.journal.note('healing');
    this.expectDone(await heal(this.runner, after), 'healed');
    const healed = await this.observe({ runs: [], keptAway: new Set() });
    this.violations.push(...check({ ...healed, user: UNTOUCHED }, 'healed'));
  }

  private async reset(): Promise<void> {
    const { worker, furnished, runner } = this;
    const { world, base } = furnished;
    this.journal.note('back to the base');
    const bad = await reset(runner, await this.observe({ runs: [], keptAway: new Set() }), base);
    if (differencesOf(base, await snapshot(worker, world)).length > 0 || this.changesGateways())
      bad.push(...(await restore(runner)).filter(({ how }) => how !== 'done'));
    this.expectDone(bad, 'reset');
    const left = differencesOf(base, await snapshot(worker, world));
    this.violations.push(...left.map((told): Violation => ({ invariant: 'as-it-began', when: 'reset', told })));
  }

  private changesGateways(): boolean {
    return this.schedule.runs.some((plan) => plan.kind === 'BootstrapFabric' && plan.dataplaneReplicas !== 1);
  }

  private async observe(played: Played): Promise<Observation> {
    const { world, foreign } = this.furnished;
    return observe({ worker: this.worker, world, user: this.user }, played, foreignDifferences(foreign, world));
  }

  private async checkHistories(runs: readonly EndedRun[]): Promise<void> {
    const told = await checkHistories(this.worker, runs, this.schedule.histories);
    if (this.schedule.histories !== 'left') this.journal.count(`histories ${this.schedule.histories}`, runs.length);
    this.violations.push(...told.map((line): Violation => ({ invariant: 'histories', when: 'after', told: line })));
  }

  private expectDone(runs: readonly EndedRun[], when: Violation['when']): void {
    for (const run of runs.filter(({ how }) => how !== 'done')) {
      this.violations.push({ invariant: 'as-it-began', when, told: `${describePlan(run.plan)} was to succeed and ${tellEnd(run)}` });
    }
  }
}

/** After the user has cleared up, and all was healed, nothing is excused. */
const UNTOUCHED: Observation['user'] = { touched: new Set(), brokenGateways: new Set(), disturbs: () => false, differences: () => [] };
