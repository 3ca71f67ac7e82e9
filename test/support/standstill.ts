// How long this process has stood still, because its machine had other work. Simulated gateways live in the process of their test:
// what they wait for no longer than a real gateway does may then come too late, and that is nobody's fault.

const TICK_MS = 50;
/** What a timer of a machine at rest may be late. */
const PUNCTUAL_MS = 10;
/** When nothing in this process ran for so long, all in all, time-outs and drains that fit a living gateway do not fit any more. */
const STALL_MS = 250;

/** Watches from its making until it is stopped. */
export class Standstill {
  private readonly ticker = setInterval(() => this.tick(), TICK_MS);
  private lastTick = performance.now();
  private lateMs = 0;

  /** How long the process has stood still so far, in milliseconds; `since` compares with it. */
  now(): number {
    return this.lateMs + this.pendingMs();
  }

  /** Whether the process stood still for too long since then, in one piece or in many. @param begun as `now()` told it */
  since(begun: number): boolean {
    return this.now() - begun >= STALL_MS;
  }

  stop(): void {
    clearInterval(this.ticker);
  }

  private tick(): void {
    this.lateMs += this.pendingMs();
    this.lastTick = performance.now();
  }

  /** How late the next tick is already. */
  private pendingMs(): number {
    const late = performance.now() - this.lastTick - TICK_MS;
    return late > PUNCTUAL_MS ? late : 0;
  }
}
