// What every crash test stands on: lanes, and the workers of all of them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testAddress, testBundle, uniqueTaskQueue } from '../support/temporal';
import type { WorkerSetup } from '../support/worker-process';
import { Killing } from './killing';
import { Lane } from './lane';

export interface Stage {
  readonly killing: Killing;
  readonly lanes: readonly Lane[];
  /** Takes the fabrics down and makes sure that nothing is left of them, then ends everything. */
  readonly close: () => Promise<void>;
}

/** @param address of the Temporal server; default: the shared one */
export async function openStage(laneCount: number, tuning: WorkerSetup['tuning'] = {}, address = testAddress()): Promise<Stage> {
  const keyDirectory = await mkdtemp(join(tmpdir(), 'skyfabric-keys-'));
  const worker = { taskQueue: uniqueTaskQueue(), keyDirectory, address };
  const killing = await Killing.start({ ...worker, bundlePath: testBundle().codePath, tuning });
  const lanes: Lane[] = [];
  // One by one: their requests have deadlines, and all of them are served by this process.
  while (lanes.length < laneCount) lanes.push(await Lane.open(worker));
  const close = async (): Promise<void> => {
    try {
      await Promise.all(lanes.map((lane) => lane.close()));
    } finally {
      await killing.close();
      await rm(keyDirectory, { recursive: true, force: true });
    }
  };
  return { killing, lanes, close };
}
