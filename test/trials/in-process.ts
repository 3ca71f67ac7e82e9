// Runs trials in this process, on several worlds side by side.
import { Lane } from './lane';
import type { TrialOptions } from './options';
import type { Verdict } from './trial';
import { TrialWorker } from './worker';

/** @param onVerdict told of each trial as it ends */
export async function runInProcess(
  { seed, trials, lanes, only }: Pick<TrialOptions, 'seed' | 'trials' | 'lanes' | 'only'>,
  onVerdict: (verdict: Verdict) => void,
): Promise<void> {
  const worker = await TrialWorker.start();
  const waiting = [...trials];
  try {
    // A world that cannot be made ends its own lane; the others go on, and leave nothing behind.
    const ended = await Promise.allSettled(
      Array.from({ length: Math.min(lanes, trials.length) }, async () => {
        const lane = new Lane(worker);
        try {
          for (let trial = waiting.shift(); trial !== undefined; trial = waiting.shift()) onVerdict(await lane.run(seed, trial, only));
        } finally {
          await lane.close();
        }
      }),
    );
    for (const end of ended) if (end.status === 'rejected') throw end.reason;
  } finally {
    await worker.close();
  }
}
