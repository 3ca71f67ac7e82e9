// Work that must not meet too much of its own kind: what it uses is lent to so many at a time.
import { condition } from '@temporalio/workflow';

/** Lends things, known by their names, to at most so many users each. */
export class Turns {
  private readonly users = new Map<string, number>();

  constructor(private readonly most: number) {}

  /** Does the work once all that it uses is to be had; all of it is taken at once, so nobody waits for anybody in a circle. */
  async take<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const isFree = (): boolean => names.every((name) => (this.users.get(name) ?? 0) < this.most);
    // Of several that are told at the same time that it is free, the first one takes it.
    while (!isFree()) await condition(isFree);
    this.add(names, 1);
    try {
      return await work();
    } finally {
      this.add(names, -1);
    }
  }

  private add(names: readonly string[], change: number): void {
    for (const name of names) this.users.set(name, (this.users.get(name) ?? 0) + change);
  }
}
