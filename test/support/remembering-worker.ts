// A worker in a process of its own whose activities only remember: to see what many workflows cost, and how a worker stops.
import { Context } from '@temporalio/activity';
import { NativeConnection } from '@temporalio/worker';
import type { Steps } from '../../src/contract/activities';
import { installRuntime } from '../../src/temporal/runtime';
import { createWorker, runWorker } from '../../src/temporal/worker';
import { fakeActivities } from '../workflows/fake-activities';

/** What the parent sets up. */
export interface RememberingSetup {
  readonly address: string;
  readonly taskQueue: string;
  readonly bundlePath: string;
  /** The activity that waits until the parent says `release`. */
  readonly holds: keyof Steps;
}

/** What the child tells: that it asks for tasks; how many activities it holds; what memory it took at most, in bytes. */
export type RememberingReport = { readonly ready: true } | { readonly held: number } | { readonly mostRss: number };

const report = (message: RememberingReport): void => void process.send?.(message);
let release: () => void = () => undefined;
const released = new Promise<void>((resolve) => (release = resolve));

process.on('message', (order: RememberingSetup | 'release' | 'weigh') => {
  if (order === 'release') release();
  // KiB; the process's own high-water mark.
  else if (order === 'weigh') report({ mostRss: process.resourceUsage().maxRSS * 1_024 });
  else void work(order);
});
process.on('disconnect', () => process.exit());

async function work({ address, taskQueue, bundlePath, holds }: RememberingSetup): Promise<void> {
  installRuntime({ level: 'ERROR', write: (line) => process.stderr.write(`${line}\n`) });
  const { activities } = fakeActivities();
  let held = 0;
  const step = activities[holds] as (input: unknown) => Promise<unknown>;
  const holding = async (input: unknown): Promise<unknown> => {
    const context = Context.current();
    const beat = setInterval(() => context.heartbeat(), 1_000);
    held += 1;
    report({ held });
    await released.finally(() => clearInterval(beat));
    return step(input);
  };
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort());
  const connection = await NativeConnection.connect({ address });
  const worker = await createWorker({
    identity: `skyfabric-test-${process.pid}`,
    connection,
    namespace: 'default',
    taskQueue,
    activities: { ...activities, [holds]: holding },
    workflowBundle: { codePath: bundlePath },
  });
  const running = runWorker(worker, stop.signal);
  report({ ready: true });
  await running;
  await connection.close();
  process.disconnect();
}
