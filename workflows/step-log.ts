// The steps of a run as it tells of them.
import type { StepStatus } from '../src/contract/status';
import { patched } from './patches';

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class StepLog {
  private readonly steps: Mutable<StepStatus>[] = [];

  /** @param publish called when a step was opened or closed */
  constructor(private readonly publish: () => void) {}

  /** In the order in which they began. */
  all(): readonly StepStatus[] {
    return this.steps;
  }

  /** Those of these ids. */
  of(ids: readonly string[]): readonly Mutable<StepStatus>[] {
    return this.steps.filter(({ id }) => ids.includes(id));
  }

  open(title: string, peer: { readonly name: string } | undefined): Mutable<StepStatus> {
    const step: Mutable<StepStatus> = {
      id: this.freeId(title, peer),
      title,
      ...(peer === undefined ? {} : { peer: peer.name }),
      state: 'running',
      startedAt: Date.now(),
    };
    this.steps.push(step);
    this.publish();
    return step;
  }

  close(step: Mutable<StepStatus>, outcome: Partial<StepStatus>): void {
    Object.assign(step, outcome, { endedAt: Date.now() });
    this.publish();
  }

  /** An id for one more step of this title. Different titles may read the same as ids, and Temporal takes each id once at a time. */
  private freeId(title: string, peer: { readonly name: string } | undefined): string {
    const base = stepId(title, peer);
    const nth = (count: number): string => (count === 1 ? base : `${base}-${count}`);
    let count = 1 + this.steps.filter((known) => known.title === title && known.peer === peer?.name).length;
    const isTaken = (): boolean => this.steps.some(({ id }) => id === nth(count));
    if (isTaken() && patched('distinct-step-ids')) while (isTaken()) count += 1;
    return nth(count);
  }
}

/** The activity id of the first step of a title: `PEER/TITLE`, or `fabric/TITLE`. */
export function stepId(title: string, peer: { readonly name: string } | undefined): string {
  return `${peer?.name ?? 'fabric'}/${title.replace(/[^a-z0-9]+/gi, '-')}`;
}
