// Follows a run to its end, or until the person or the clock says that it is enough; the run itself goes on in Temporal.
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledFailure, TerminatedFailure, ApplicationFailure } from '@temporalio/common';
import { WorkflowFailedError, type Client, type WorkflowHandle } from '@temporalio/client';
import type { RunFailure } from '../contract/results';
import type { Problem, Rollback, RunStatus } from '../contract/status';
import { isFabricError, type FabricError } from '../errors/fabric-error';
import { readRunStatus } from '../temporal/runs';
import type { CliContext } from './context';
import type { ProgressView } from './progress';

/** How a run ended that did not end well. */
export interface BadEnd {
  readonly outcome: 'failed' | 'cancelled' | 'terminated';
  readonly problem: Problem;
  readonly rollback?: Rollback;
  /** What it found out all the same, in the shape of its result. */
  readonly result?: unknown;
  /** Set when how it was undone could not be read. */
  readonly rollbackUnread?: true;
}

/** How a run ended, or why it is no longer followed. */
export type RunEnd<R> = { readonly outcome: 'done'; readonly result: R } | BadEnd | { readonly outcome: 'timed-out' | 'detached' };

export interface FollowOptions {
  readonly view: ProgressView;
  readonly onSignal: CliContext['onSignal'];
  /** What the first Ctrl-C does: asks for cancellation (a second one detaches), or detaches. */
  readonly interrupt: 'cancel' | 'detach';
  readonly timeoutMs?: number | undefined;
}

/** As often as a person can tell a difference. */
const POLL_MS = 300;
const READ_DEADLINE_MS = 5_000;
/** The last state holds the proof of an undoing, so a worker that is busy or starting anew gets time to tell it. */
const LAST_READ_MS = 10_000;
const FIRST_PATIENCE_MS = 1_000;
/** Reads that fail in a row before it is said. */
const SILENT_READS = 2;

/** Follows a run. @throws what the client throws when the server is gone */
export async function followRun<R>(client: Client, handle: WorkflowHandle, options: FollowOptions): Promise<RunEnd<R>> {
  const { view, timeoutMs } = options;
  const stop = new AbortController();
  // Each call listens to its signal for good: the one long call may do that on `stop`, the many short ones on signals of their own.
  setMaxListeners(0, stop.signal);
  const read = (deadlineMs = READ_DEADLINE_MS): Promise<RunStatus> =>
    client.withDeadline(Date.now() + deadlineMs, () => readRunStatus(handle));
  const watching = watch(() => client.withAbortSignal(AbortSignal.any([stop.signal]), read), view, stop.signal);
  const leave = new Leave();
  const forget = options.onSignal(['SIGINT'], interruptor(handle, options, leave));
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => leave.now('timed-out'), timeoutMs);
  let end: RunEnd<R>;
  try {
    const ended = client.withAbortSignal(stop.signal, async (): Promise<RunEnd<R>> => {
      try {
        return { outcome: 'done', result: (await handle.result()) as R };
      } catch (error) {
        return endOf(error);
      }
    });
    end = await Promise.race([ended, leave.asked]);
  } finally {
    clearTimeout(timer);
    forget();
    stop.abort();
    await watching;
  }
  const last = end.outcome === 'timed-out' || end.outcome === 'detached' ? undefined : await lastOf(read);
  if (last !== undefined) view.update(last);
  view.end();
  if (end.outcome !== 'cancelled') return end;
  if (last === undefined) return { ...end, rollbackUnread: true };
  return last.rollback === undefined ? end : { ...end, rollback: last.rollback };
}

/** A wish to follow no longer. */
class Leave {
  private settle: (end: { readonly outcome: 'timed-out' | 'detached' }) => void = () => undefined;
  readonly asked = new Promise<{ readonly outcome: 'timed-out' | 'detached' }>((resolve) => (this.settle = resolve));

  now(outcome: 'timed-out' | 'detached'): void {
    this.settle({ outcome });
  }
}

function interruptor(handle: WorkflowHandle, { view, interrupt }: FollowOptions, leave: Leave): () => void {
  let times = 0;
  return () => {
    times += 1;
    if (interrupt === 'detach' || times > 1) {
      leave.now('detached');
      return;
    }
    view.note('Cancelling: what can be undone is being undone. Ctrl-C again leaves it to itself.');
    handle
      .cancel()
      .catch((error: unknown) => view.note(`The run could not be cancelled: ${error instanceof Error ? error.message : String(error)}`));
  };
}

async function watch(read: () => Promise<RunStatus>, view: ProgressView, stopped: AbortSignal): Promise<void> {
  let silent = 0;
  while (!stopped.aborted) {
    try {
      view.update(await read());
      silent = 0;
    } catch (error) {
      silent += 1;
      // Such as a key that is not here: waiting will not help.
      if (silent === 1 && isFinal(error)) view.note(`${error.message}. ${error.hint ?? ''}`);
      else if (silent === SILENT_READS && !isFinal(error))
        view.note('The run does not tell how it stands: see whether a worker runs. Still waiting for it.');
    }
    await sleep(POLL_MS, undefined, { signal: stopped }).catch(() => undefined);
  }
}

/**
 * How an ended run stands; `undefined` when nobody tells it in time. A worker that puts the run away just then loses the question, so it is
 * asked again soon, and each time waited for longer.
 */
async function lastOf(read: (deadlineMs: number) => Promise<RunStatus>): Promise<RunStatus | undefined> {
  const deadline = Date.now() + LAST_READ_MS;
  for (let patienceMs = FIRST_PATIENCE_MS; ; patienceMs *= 2) {
    try {
      return await read(patienceMs);
    } catch (error) {
      if (isFinal(error) || Date.now() >= deadline) return undefined;
      await sleep(POLL_MS);
    }
  }
}

/** What no further reading changes. */
function isFinal(error: unknown): error is FabricError {
  return isFabricError(error) && !error.retryable;
}

function endOf(error: unknown): BadEnd {
  if (!(error instanceof WorkflowFailedError)) throw error;
  const { cause } = error;
  if (cause instanceof CancelledFailure) return { outcome: 'cancelled', problem: { code: 'cancelled', message: 'the run was cancelled' } };
  if (cause instanceof TerminatedFailure) {
    return {
      outcome: 'terminated',
      problem: {
        code: 'residue',
        message: `the run was terminated: ${cause.message}`,
        hint: 'Nothing was undone: run the same command again, or take away what it left with `skyfabric cleanup`.',
      },
    };
  }
  const [failure] = cause instanceof ApplicationFailure ? ((cause.details ?? []) as Partial<RunFailure>[]) : [];
  if (failure?.problem !== undefined)
    return {
      outcome: 'failed',
      problem: failure.problem,
      ...(failure.rollback === undefined ? {} : { rollback: failure.rollback }),
      ...(failure.result === undefined ? {} : { result: failure.result }),
    };
  return { outcome: 'failed', problem: { code: 'internal', message: cause?.message ?? error.message } };
}
