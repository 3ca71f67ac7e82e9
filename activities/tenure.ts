// Whether a step is still this attempt's own. A worker that stood still (a stopped process, a laptop asleep) or is cut off from the Temporal
// server is taken for dead after the heartbeat timeout; another one may have gone on with the step by then, or taken it back. What the late
// one wrote, nobody would take back. So before an attempt writes it asks the server, by a heartbeat of its own, unless it did so just now.
import type { Context } from '@temporalio/activity';
import { ActivityCancelledError, ActivityNotFoundError, ActivityPausedError, ActivityResetError } from '@temporalio/client';
import { FabricError } from '../src/errors/fabric-error';

/** So much of the heartbeat timeout an answer is trusted for; the rest is for the write itself, which takes at most 15 s of 20. */
const TRUSTED_SHARE = 1 / 4;
/** A server that is there answers well within this. */
const ANSWER_TIMEOUT_MS = 5_000;

export class Tenure {
  /** When the question was sent that was answered last, in milliseconds since the epoch. */
  private confirmedAt: number | undefined;
  private asking: Promise<void> | undefined;

  /**
   * @param heartbeatTimeoutMs after so long without a heartbeat the server gives the step to others
   * @param ask a heartbeat; resolves with whether the step is still the attempt's own @throws when the server does not answer
   * @param now this machine's clock. It must go on while the machine sleeps, which a monotonic one does not.
   */
  constructor(
    private readonly heartbeatTimeoutMs: number,
    private readonly ask: () => Promise<boolean>,
    private readonly now: () => number = Date.now,
  ) {}

  /** Resolves when the step is the attempt's own, for long enough to write something. @throws unavailable when it is not, or nobody can tell */
  async confirm(): Promise<void> {
    // Again, because the process may have stood still between the answer and here.
    while (!this.isConfirmed()) await (this.asking ??= this.askOnce().finally(() => (this.asking = undefined)));
  }

  private isConfirmed(): boolean {
    if (this.confirmedAt === undefined) return false;
    const sinceMs = this.now() - this.confirmedAt;
    // A clock that was set back tells nothing.
    return sinceMs >= 0 && sinceMs < this.heartbeatTimeoutMs * TRUSTED_SHARE;
  }

  private async askOnce(): Promise<void> {
    const askedAt = this.now();
    let isOurs: boolean;
    try {
      isOurs = await this.ask();
    } catch (cause) {
      throw new FabricError({
        code: 'unavailable',
        message: 'The Temporal server does not answer, so this worker cannot know whether the step is still its own; it writes nothing.',
        hint: 'The step is tried again as soon as the server answers.',
        cause,
      });
    }
    if (!isOurs) {
      throw new FabricError({
        code: 'unavailable',
        message: "The step is not this attempt's any more: its worker was not heard of for too long.",
        hint: 'Another attempt goes on with it. Did the machine of this worker sleep, or was it cut off?',
      });
    }
    this.confirmedAt = askedAt;
  }
}

/** The tenure of an attempt; none where the server never takes a quiet one for dead. @param details of its heartbeats */
export function tenureOf(context: Context, details: () => unknown): Tenure | undefined {
  const { heartbeatTimeoutMs } = context.info;
  return heartbeatTimeoutMs === undefined ? undefined : new Tenure(heartbeatTimeoutMs, () => beat(context, details()));
}

/** A heartbeat whose answer is waited for, which those of the SDK do not allow. */
async function beat({ client, info }: Context, details: unknown): Promise<boolean> {
  try {
    await client.withDeadline(Date.now() + ANSWER_TIMEOUT_MS, () => client.activity.heartbeat(info.taskToken, details));
    return true;
  } catch (error) {
    if (error instanceof ActivityNotFoundError) return false;
    // These answers are for the holder of a step; the SDK's own heartbeats hear of them as well, and act on them.
    if ([ActivityCancelledError, ActivityPausedError, ActivityResetError].some((known) => error instanceof known)) return true;
    throw error;
  }
}
