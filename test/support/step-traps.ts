// Traps in a worker's activities: a test says what happens to a step, on which peer, and the real activity does the rest.
import { ApplicationFailure } from '@temporalio/activity';
import type { Activities, Steps } from '../../src/contract/activities';

/** A step as a trap names it: an activity, on a peer or for the whole fabric. */
export interface StepName {
  readonly activity: keyof Steps;
  readonly peer: string | undefined;
}

/** Carries the step out by `proceed`, or does something to it. */
export type Trap = (proceed: () => Promise<unknown>, attempt: number) => Promise<unknown>;

export class StepTraps {
  private readonly traps = new Map<string, { trap: Trap; calls: number }>();
  /** Every step that was begun, once each, in the order of their beginnings. */
  readonly seen: StepName[] = [];

  wrap(activities: Activities): Activities {
    const wrapped = Object.entries(activities).map(([name, activity]) => [
      name,
      async (input: unknown) => {
        const step = { activity: name as keyof Steps, peer: peerOf(input) };
        if (!this.seen.some((known) => keyOf(known) === keyOf(step))) this.seen.push(step);
        const proceed = () => (activity as (given: unknown) => Promise<unknown>)(input);
        const armed = this.traps.get(keyOf(step));
        if (armed === undefined) return proceed();
        armed.calls += 1;
        return armed.trap(proceed, armed.calls);
      },
    ]);
    return Object.fromEntries(wrapped) as Activities;
  }

  set(step: StepName, trap: Trap): void {
    this.traps.set(keyOf(step), { trap, calls: 0 });
  }

  clear(): void {
    this.traps.clear();
    this.seen.length = 0;
  }
}

/** Whatever a step fails with becomes final, so that a test need not wait for its deadline. */
export function final(error: unknown): ApplicationFailure {
  const known = error instanceof ApplicationFailure ? error : undefined;
  return ApplicationFailure.create({
    type: known?.type ?? 'internal',
    message: known?.message ?? String(error),
    nonRetryable: true,
    ...(known?.details == null ? {} : { details: known.details }),
    ...(known === undefined ? {} : { cause: known }),
  });
}

export function describeStep({ activity, peer }: StepName): string {
  return peer === undefined ? activity : `${activity} on ${peer}`;
}

const keyOf = ({ activity, peer }: StepName): string => `${activity}@${peer ?? ''}`;

function peerOf(input: unknown): string | undefined {
  const peer = (input as { readonly peer?: unknown } | undefined)?.peer;
  const name = (peer as { readonly name?: unknown } | undefined)?.name;
  return typeof name === 'string' ? name : undefined;
}
