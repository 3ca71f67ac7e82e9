// Whether this process stood still for a while, because its machine had other work. Simulated gateways live in the process of their
// test: what they wait for no longer than a real gateway does may then come too late, and that is nobody's fault.

const TICK_MS = 50;
/** When nothing in this process runs for so long, time-outs and drains that fit a living gateway do not fit any more. */
const STALL_MS = 250;

/** Watches from its making until it is stopped. */
export class Standstill {
  private readonly ticker = setInterval(() => this.tick(), TICK_MS);
  private lastTick = performance.now();
  private lastStall = -Infinity;

  /** Whether the process stood still at some time since then. @param begun as `performance.now()` told it */
  since(begun: number): boolean {
    this.tick();
    return this.lastStall >= begun;
  }

  stop(): void {
    clearInterval(this.ticker);
  }

  private tick(): void {
    const now = performance.now();
    if (now - this.lastTick > STALL_MS) this.lastStall = now;
    this.lastTick = now;
  }
}
