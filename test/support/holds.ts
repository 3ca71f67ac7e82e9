// Inside a worker that is to be stopped: activities that stop at a given moment, and say so. A step is named by its workflow and
// activity id, which the workflows give it, so that a step and its undo are two.
import { ApplicationFailure, Context } from '@temporalio/activity';
import type { Activities } from '../../src/contract/activities';

/** `before` its first effect; `after` its last effect; `reported`: after its last effect, and its end is told to the server when the worker freezes. */
export type Moment = 'before' | 'after' | 'reported';

/** Where a run is held; or a step that fails for good, after its effect, whatever worker tries it. */
export interface Hold {
  readonly workflowId: string;
  readonly activityId: string;
  readonly moment: Moment | 'fails';
}

/** A held activity must not be taken for dead. */
const HEARTBEAT_EVERY_MS = 500;

export class Holds {
  private readonly armed = new Map<string, Hold['moment']>();
  private readonly held = new Map<string, { readonly moment: Hold['moment']; readonly letGo: () => void }>();

  private running = 0;

  /**
   * @param tellHeld is called once for each step that has come to its moment
   * @param tellRunning is called with the number of activities that run, whenever it changes
   */
  constructor(
    private readonly tellHeld: (key: string) => void,
    private readonly tellRunning: (count: number) => void,
  ) {}

  arm(hold: Hold): void {
    this.armed.set(holdKey(hold), hold.moment);
  }

  /** The step goes its way from now on. */
  disarm(hold: Hold): void {
    this.armed.delete(holdKey(hold));
  }

  wrap(activities: Activities): Activities {
    const wrapped = Object.entries(activities).map(([name, activity]) => [
      name,
      async (input: unknown) => {
        const { workflowExecution, activityId } = Context.current().info;
        const key = holdKey({ workflowId: workflowExecution?.workflowId ?? '', activityId });
        this.count(1);
        try {
          if (this.armed.get(key) === 'before') await this.hold(key, 'before');
          const value = await (activity as (given: unknown) => Promise<unknown>)(input);
          const moment = this.armed.get(key);
          if (moment === 'fails') throw ApplicationFailure.nonRetryable('lost after its effect', 'internal');
          if (moment !== undefined) await this.hold(key, moment);
          return value;
        } finally {
          this.count(-1);
        }
      },
    ]);
    return Object.fromEntries(wrapped) as Activities;
  }

  /** Lets the steps of this moment go on. */
  letGo(moment: Moment): void {
    for (const [key, entry] of this.held) {
      if (entry.moment !== moment) continue;
      this.held.delete(key);
      entry.letGo();
    }
  }

  private async hold(key: string, moment: Moment): Promise<void> {
    this.armed.delete(key);
    const context = Context.current();
    const beat = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS);
    await new Promise<void>((letGo) => {
      this.held.set(key, { moment, letGo });
      this.tellHeld(key);
    });
    clearInterval(beat);
  }

  private count(change: number): void {
    this.running += change;
    this.tellRunning(this.running);
  }
}

export function holdKey({ workflowId, activityId }: Pick<Hold, 'workflowId' | 'activityId'>): string {
  return `${workflowId} ${activityId}`;
}
