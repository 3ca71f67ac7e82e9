// Trials one after the other on the same world, which is left and made anew after a trial that failed.
import { guardWorkflowId } from '../../src/contract/workflow-ids';
import { restore, snapshot } from './base';
import { foreignObjects } from './foreign';
import type { InvariantName } from './invariants';
import { tellEnd } from './play';
import { Journal } from './journal';
import { Runner } from './runs';
import { runTrial, type Furnished, type Verdict } from './trial';
import type { TrialWorker } from './worker';
import { World } from './world';

const PATIENT = { step: '90s', undo: '90s' };

/** Worlds are made one by one: many at once would only wait for each other's processor. */
let making: Promise<unknown> = Promise.resolve();

export class Lane {
  private furnished: Furnished | undefined;

  constructor(private readonly worker: TrialWorker) {}

  async run(seed: number, trial: number, only?: InvariantName): Promise<Verdict> {
    if (this.furnished === undefined) {
      const made = making.then(() => furnish(this.worker));
      making = made.catch(() => undefined);
      this.furnished = await made;
    }
    const verdict = await runTrial(this.worker, this.furnished, seed, trial, only);
    if (verdict.spoilt) await this.close();
    return verdict;
  }

  async close(): Promise<void> {
    const { furnished } = this;
    this.furnished = undefined;
    if (furnished === undefined) return;
    // The register would wait for more as long as the server runs.
    await this.worker.environment.client.workflow
      .getHandle(guardWorkflowId(furnished.world.fabric))
      .terminate('the trials have ended')
      .catch(() => undefined);
    await furnished.world.close();
  }
}

/** A world with the base on it. */
export async function furnish(worker: TrialWorker): Promise<Furnished> {
  const world = await World.start();
  const foreign = foreignObjects(world);
  const ended = await restore(new Runner(worker, world, PATIENT, new Journal()));
  const bad = ended.find(({ how }) => how !== 'done');
  if (bad !== undefined) throw new Error(`the base cannot be made: ${tellEnd(bad)}`);
  return { world, base: await snapshot(worker, world), foreign };
}
