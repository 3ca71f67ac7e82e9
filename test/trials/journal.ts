// What happened in a trial, in order, for whoever has to understand a failure.

export class Journal {
  private readonly begun = performance.now();
  private readonly entries: string[] = [];
  private readonly counters = new Map<string, number>();

  note(text: string): void {
    const ms = Math.round(performance.now() - this.begun);
    this.entries.push(`${String(ms).padStart(6)} ms  ${text}`);
  }

  /** Adds to a number that is told in the end. */
  count(what: string, by = 1): void {
    this.counters.set(what, (this.counters.get(what) ?? 0) + by);
  }

  counts(): Record<string, number> {
    return Object.fromEntries([...this.counters].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  lines(): readonly string[] {
    return this.entries;
  }

  get ms(): number {
    return performance.now() - this.begun;
  }
}
