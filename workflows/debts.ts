// What one run owes: undos that failed, until SettleCleanup is told of them.
import { CancellationScope } from '@temporalio/workflow';
import type { Debt, OwedStep, UndoDebt } from '../src/contract/activities';
import { debtorsOf } from '../src/contract/debts';
import type { Residue } from '../src/contract/status';
import type { Claimant } from '../src/model/claimant';
import type { CallActivities } from './call-activities';
import { patched } from './patches';
import type { Place } from './place';
import { problemOf } from './problem';
import type { Mutable } from './step-log';
import { untilAnswered } from './until-answered';

/** An undo that failed, and where it was to happen. */
export interface Owed {
  readonly step: OwedStep;
  readonly peer: Place | undefined;
}

export class Debts {
  private readonly owed: Owed[] = [];
  private handOvers = 0;

  constructor(
    private readonly claimant: Claimant,
    private readonly activities: CallActivities,
  ) {}

  /** Keeps what is to be handed over. */
  add(owed: Owed): void {
    this.owed.push(owed);
  }

  /** Tells SettleCleanup all that could not be undone so far, and `more`; marks what that leaves on those peers. A cancelled run does so as well. */
  handOver(residue: readonly Mutable<Residue>[], more: readonly Debt[] = []): Promise<void> {
    return this.tell(residue, this.owed.splice(0), more);
  }

  /** As `handOver`, for one peer alone: what others still find out is theirs. */
  handOverOf(name: string, residue: readonly Mutable<Residue>[]): Promise<void> {
    return this.tell(residue, this.take(name), []);
  }

  private take(name: string): readonly Owed[] {
    const isOwn = ({ peer }: Owed): boolean => peer?.name === name;
    if (this.owed.every(isOwn) || !patched('owed-peer-by-peer')) return this.owed.splice(0);
    const all = this.owed.splice(0);
    this.owed.push(...all.filter((one) => !isOwn(one)));
    return all.filter(isOwn);
  }

  private async tell(residue: readonly Mutable<Residue>[], owed: readonly Owed[], more: readonly Debt[]): Promise<void> {
    // Runs that were begun before there was a SettleCleanup end as they did then.
    if ((owed.length === 0 && more.length === 0) || !patched('owed-cleanup')) return;
    const steady = patched('owed-when-cancelled');
    const chunks = inChunks(owed);
    const batches = chunks.length > 1 && patched('owed-in-chunks') ? chunks : [owed];
    const failures = new Map<string, string>();
    const told = new Set<string>();
    for (const [index, batch] of batches.entries()) {
      // With several, every part is a debt of its own, and they are settled in this order.
      const part = (this.handOvers += 1);
      const debts = [...debtsOf(this.claimant, batch, part === 1 ? undefined : part), ...(index === 0 ? more : [])];
      const concerned = debts.flatMap((debt) => (debtorsOf(debt).length === 0 ? [''] : debtorsOf(debt)));
      const tellPart = () => this.tellPart(part, debts);
      const failure = steady ? await CancellationScope.nonCancellable(tellPart) : await tellPart();
      for (const peer of concerned) {
        told.add(peer);
        if (failure !== undefined) failures.set(peer, failure);
      }
    }
    for (const one of residue.filter(({ peer }) => told.has(peer))) {
      const failure = failures.get(one.peer);
      if (failure === undefined) one.owed = true;
      else one.why = `${one.why}; nor could it be handed over: ${failure}`;
    }
  }

  /** @returns why SettleCleanup could not be told */
  private async tellPart(part: number, debts: readonly Debt[]): Promise<string | undefined> {
    const { fabric } = this.claimant;
    const activities = this.activities(`fabric/hand-over-cleanup-${part}`, 'hand over owed cleanup', undefined, 'undo');
    try {
      await untilAnswered('hand-over-until-answered', () => activities.oweCleanup({ fabric, debts }));
      return undefined;
    } catch (error) {
      return problemOf(error).message;
    }
  }
}

/** What a run owes, a debt for each peer; the order of its steps is kept. @param part which of the run's debts to those peers it is, if not the first */
function debtsOf({ by, run }: Claimant, owed: readonly Owed[], part?: number): UndoDebt[] {
  const names = [...new Set(owed.map(({ peer }) => peer?.name ?? ''))];
  return names.map((name) => {
    const own = owed.filter(({ peer }) => (peer?.name ?? '') === name);
    const taskQueue = own[0]?.peer?.taskQueue;
    return {
      kind: 'undo',
      by,
      run,
      since: Date.now(),
      peer: name,
      ...(taskQueue === undefined ? {} : { taskQueue }),
      ...(part === undefined ? {} : { part }),
      steps: own.map(({ step }) => step),
    };
  });
}

/** The most JSON that is handed over at once, in characters: Temporal refuses two megabytes. */
const MOST_CHARACTERS = 500_000;

/** What is owed in chunks that can be handed over, in the same order. A step that is larger than a chunk is one by itself. */
export function inChunks(owed: readonly Owed[]): Owed[][] {
  const chunks: Owed[][] = [[]];
  let characters = 0;
  for (const one of owed) {
    const more = JSON.stringify(one).length;
    if (characters > 0 && characters + more > MOST_CHARACTERS) {
      chunks.push([]);
      characters = 0;
    }
    chunks.at(-1)?.push(one);
    characters += more;
  }
  return chunks;
}
