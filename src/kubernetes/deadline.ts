// How long a request may take: until its time is up or its caller gives up, whichever is first.
import { setMaxListeners } from 'node:events';

/** Aborts its `signal` when the time is up or the caller's own signal is aborted, whichever is first. */
export class Deadline {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  readonly stop = (): void => this.controller.abort();

  constructor(
    readonly timeoutMs: number,
    readonly callerSignal: AbortSignal | undefined,
  ) {
    this.timer = setTimeout(this.stop, timeoutMs);
    if (callerSignal === undefined) return;
    if (callerSignal.aborted) this.stop();
    // One signal is shared by all requests of an activity: many listeners are no leak here.
    setMaxListeners(0, callerSignal);
    callerSignal.addEventListener('abort', this.stop, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  clear(): void {
    clearTimeout(this.timer);
    this.callerSignal?.removeEventListener('abort', this.stop);
  }
}

/** Waits for a promise, but no longer than until the signal is aborted. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new Error('aborted'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
