// How commands that run a worker wait for their end.
import type { CliContext } from './context';

/**
 * Resolves when the worker has stopped after a signal; the next signal ends the process at once. @throws when the worker fails
 * @param announce says that all runs, once signals are heard.
 */
export async function untilStopped(
  context: CliContext,
  worker: { readonly ended: Promise<void>; readonly stop: () => Promise<void> },
  announce: () => unknown,
): Promise<void> {
  const forget = context.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], () => {
    forget();
    context.stderr.write('Stopping: running steps may end, or are handed back.\n');
    worker.stop().catch(() => undefined);
  });
  announce();
  await worker.ended.finally(forget);
}
