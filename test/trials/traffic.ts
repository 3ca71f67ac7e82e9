// Requests over a connection that nobody touches, one after the other, all the time: none may be dropped.
import { setTimeout as delay } from 'node:timers/promises';
import type { World } from './world';

/** Leaves the processor to the rest of the trial. */
const PAUSE_MS = 150;

export class Traffic {
  sent = 0;
  /** Why requests were dropped. */
  readonly dropped: string[] = [];
  private stopped = false;
  private readonly running: Promise<void>;

  constructor(private readonly world: World) {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      this.sent += 1;
      await this.world.callSteady().catch((error: unknown) => this.dropped.push(error instanceof Error ? error.message : String(error)));
      await delay(PAUSE_MS);
    }
  }
}
