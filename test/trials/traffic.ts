// Requests over a connection that nobody touches, one after the other, all the time: none may be dropped.
import { setTimeout as delay } from 'node:timers/promises';
import { Standstill } from '../support/standstill';
import type { Journal } from './journal';
import type { World } from './world';

/** Leaves the processor to the rest of the trial. */
const PAUSE_MS = 150;

export class Traffic {
  /** Why requests were dropped. */
  readonly dropped: string[] = [];
  private stopped = false;
  private readonly running: Promise<void>;
  private readonly standstill = new Standstill();

  constructor(
    private readonly world: World,
    private readonly journal: Journal,
  ) {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
    this.standstill.stop();
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const begun = this.standstill.now();
      this.journal.count('requests of the traffic');
      await this.world.callSteady().catch((error: unknown) => this.drop(begun, error instanceof Error ? error.message : String(error)));
      await delay(PAUSE_MS);
    }
  }

  private drop(begun: number, why: string): void {
    if (this.standstill.since(begun)) {
      this.journal.count('requests of the traffic, lost to a machine that stood still');
      return;
    }
    this.journal.note(`traffic: dropped: ${why}`);
    this.dropped.push(why);
  }
}
