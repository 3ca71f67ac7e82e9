// Plays one schedule: runs, faults, partitions, cancellations and the user, each at its moment, until every run has ended.
import { ApplicationFailure } from '@temporalio/common';
import type { FaultHandle } from '../../src/playground/api-server/faults';
import type { ApiRequest } from '../../src/playground/api-server/routing';
import type { Journal } from './journal';
import { describePlan } from './requests';
import { Runner, type EndedRun, type Going } from './runs';
import { CLUSTERS, type ClusterName, type Event, type FaultPlan, type Moment, type Schedule, type Until } from './schedule';
import type { User } from './user';
import { ORCHESTRATOR, type ActivityEar, type TrialWorker } from './worker';
import type { World } from './world';

/** What became of a schedule. */
export interface Played {
  readonly runs: readonly EndedRun[];
  /** Clusters that the worker could not work with for a time longer than a fault's. */
  readonly keptAway: ReadonlySet<string>;
}

export async function play(worker: TrialWorker, world: World, schedule: Schedule, user: User, journal: Journal): Promise<Played> {
  const player = new Player(worker, world, schedule, user, journal);
  world.onRequest = (request) => player.hear(request);
  worker.listen(world.fabric, player);
  try {
    return await player.play();
  } finally {
    world.onRequest = () => undefined;
    worker.forget(world.fabric);
  }
}

/** A time during which the worker cannot work with a cluster. */
interface Absence {
  readonly cluster: ClusterName;
  readonly until: Until;
  /** Those that went on at its beginning. */
  readonly runs: ReadonlySet<number>;
  /** Requests to the cluster before it. */
  readonly requests: number;
  readonly end: () => Promise<void>;
}

class Player implements ActivityEar {
  private readonly runner: Runner;
  private pending: { readonly when: Moment; readonly event: Event }[];
  /** Everything that goes on: runs and the beginnings of events. */
  private readonly going = new Set<Promise<unknown>>();
  private readonly runs = new Map<number, Going>();
  private readonly ended = new Map<number, EndedRun>();
  private readonly requests = new Map<string, number>();
  private readonly activities = new Map<number, number>();
  /** Index of the run that a workflow id was planned as first. */
  private readonly planned = new Map<string, number>();
  private readonly keptAway = new Set<string>();
  /** What ends each partition and expired token that lasts. */
  private readonly absences: Absence[] = [];
  /** How many fired faults are in the journal. */
  private noted = 0;

  constructor(
    worker: TrialWorker,
    private readonly world: World,
    private readonly schedule: Schedule,
    private readonly user: User,
    private readonly journal: Journal,
  ) {
    this.runner = new Runner(worker, world, schedule.deadlines, journal);
    this.pending = [...schedule.events];
    schedule.runs.forEach((plan, run) => {
      const id = this.runner.workflowId(plan);
      if (!this.planned.has(id)) this.planned.set(id, run);
    });
  }

  async play(): Promise<Played> {
    const { world, schedule } = this;
    for (const cluster of CLUSTERS) world.skewMs.set(cluster, schedule.skewMs[cluster] ?? 0);
    for (const fault of schedule.faults) this.arm(fault);
    for (const [server, delayMs] of Object.entries(schedule.slowMs)) {
      world.faults.add({ match: { server, userAgent: ORCHESTRATOR }, fault: 'slow', delayMs, times: Infinity });
    }
    this.advance();
    while (this.going.size > 0 || this.pending.length > 0) {
      if (this.going.size > 0) await Promise.race(this.going);
      else this.bringForward();
    }
    await Promise.all(this.absences.map(({ end }) => end()));
    this.noteFaults();
    world.faults.clear();
    world.skewMs.clear();
    return { runs: this.schedule.runs.flatMap((_, run) => this.ended.get(run) ?? []), keptAway: this.keptAway };
  }

  hear({ server }: ApiRequest): void {
    this.requests.set(server, (this.requests.get(server) ?? 0) + 1);
    this.journal.count('requests');
    this.noteFaults();
    this.endAbsences();
    this.advance();
  }

  begins(workflowId: string, activity: string): Error | undefined {
    const run = this.planned.get(workflowId);
    if (run === undefined) return undefined;
    const count = (this.activities.get(run) ?? 0) + 1;
    this.activities.set(run, count);
    this.journal.count('activities');
    this.advance();
    if (!this.schedule.losses.some((loss) => loss.run === run && loss.activity === count)) return undefined;
    this.journal.note(`run ${run}: ${activity} loses its worker after its work`);
    this.journal.count('workers lost');
    return ApplicationFailure.create({ type: 'unavailable', message: 'the worker was lost' });
  }

  fails(workflowId: string, activity: string, error: unknown): void {
    this.journal.note(
      `run ${this.planned.get(workflowId) ?? workflowId}: ${activity}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }

  private arm({ cluster, fault, verb, nth, times }: FaultPlan): void {
    const match = { server: cluster, userAgent: ORCHESTRATOR, ...(verb === undefined ? {} : { verb }) };
    this.world.faults.add({ match, fault, nth, times, retryAfterSeconds: 0, ...(fault === 'slow' ? { delayMs: 400 } : {}) });
  }

  /** Lets everything happen whose moment has come. */
  private advance(): void {
    const due = this.pending.filter(({ when }) => this.hasCome(when));
    this.pending = this.pending.filter((one) => !due.includes(one));
    for (const { event } of due) this.happen(event);
  }

  /** Nothing goes on, so the next moment will not come by itself. */
  private bringForward(): void {
    const next = this.pending.shift();
    if (next !== undefined) this.happen(next.event);
  }

  private hasCome(when: Moment): boolean {
    switch (when.of) {
      case 'start':
        return true;
      case 'cluster':
        return (this.requests.get(when.cluster) ?? 0) >= when.requests;
      case 'run':
        return (this.activities.get(when.run) ?? 0) >= when.activities;
    }
  }

  private happen(event: Event): void {
    this.track(this.carryOut(event));
  }

  private async carryOut(event: Event): Promise<void> {
    switch (event.do) {
      case 'run':
        return this.run(event.run);
      case 'cancel':
        return this.cancel(event.run);
      case 'partition':
        return this.partition(event.cluster, event.how, event.until);
      case 'expire-token':
        return this.expireToken(event.cluster, event.until);
      case 'user':
        return this.user.act(event.user);
    }
  }

  private async run(run: number): Promise<void> {
    const plan = this.schedule.runs[run];
    if (plan === undefined) return;
    this.journal.note(`run ${run} begins: ${describePlan(plan)}`);
    const going = await this.runner.begin(plan);
    this.runs.set(run, going);
    const ended = await going.ended;
    this.ended.set(run, ended);
    this.journal.note(`run ${run} ${going.started?.attached === true ? 'was another already, and ' : ''}ended: ${tellEnd(ended)}`);
    this.journal.count(`runs ${ended.how}`);
    this.endAbsences();
  }

  private async cancel(run: number): Promise<void> {
    const started = this.runs.get(run)?.started;
    if (started === undefined || this.ended.has(run)) return;
    this.journal.note(`run ${run} is cancelled`);
    this.journal.count('cancellations');
    // It may end at the same moment.
    await started.handle.cancel().catch(() => undefined);
  }

  private async partition(cluster: ClusterName, how: 'hang' | 'reset', until: Until): Promise<void> {
    const times = until.of === 'requests' ? until.requests : Infinity;
    const handle: FaultHandle = this.world.faults.add({ match: { server: cluster, userAgent: ORCHESTRATOR }, fault: how, times });
    this.journal.count('partitions');
    this.absent(cluster, `cut off (${how})`, until, async () => handle.remove());
  }

  private async expireToken(cluster: ClusterName, until: Until): Promise<void> {
    this.world.expireToken(cluster);
    this.journal.count('expired tokens');
    this.absent(cluster, 'without a good token', until, () => this.world.renewToken(cluster));
  }

  private absent(cluster: ClusterName, what: string, until: Until, lift: () => Promise<void>): void {
    this.journal.note(
      `${cluster} is ${what}${until.of === 'requests' ? ` for ${until.requests} requests` : `, until the end of ${until.of === 'end' ? 'the trial' : 'the runs that go on'}`}`,
    );
    this.keptAway.add(cluster);
    const runs = new Set([...this.runs.keys()].filter((run) => !this.ended.has(run)));
    let ended: Promise<void> | undefined;
    const end = (): Promise<void> => (ended ??= lift().then(() => this.journal.note(`${cluster} is no longer ${what}`)));
    this.absences.push({ cluster, until, runs, requests: this.requests.get(cluster) ?? 0, end });
  }

  private endAbsences(): void {
    for (const { until, runs, cluster, requests, end } of this.absences) {
      const passed = (this.requests.get(cluster) ?? 0) - requests;
      const isOver =
        (until.of === 'runs' && [...runs].every((run) => this.ended.has(run))) || (until.of === 'requests' && passed > until.requests);
      if (isOver) this.track(end());
    }
  }

  /** The trial does not end before this. */
  private track(work: Promise<void>): void {
    const tracked = work.finally(() => this.going.delete(tracked));
    this.going.add(tracked);
  }

  private noteFaults(): void {
    const fired = this.world.faults.fired();
    for (const { rule, request } of fired.slice(this.noted)) {
      if (rule.times === Infinity && rule.fault === 'slow') continue;
      this.journal.note(`fault ${rule.fault} at ${request.server}: ${request.verb} ${request.path}`);
      this.journal.count('faults');
      this.journal.count(`fault ${rule.fault}`);
    }
    this.noted = fired.length;
  }
}

/** A run's end in one line. */
export function tellEnd({ how, code, message = '', residue }: EndedRun): string {
  const left = residue.map(({ peer, object, why }) => `\n              residue on ${peer}: ${object}: ${why}`).join('');
  return `${how}${code === undefined ? '' : ` (${code}: ${message.split('\n').join(' ')})`}${left}`;
}
