// What the end-to-end run did: each step with its time, told as it ends, and all of them in a table at the end.
import { columns, span } from '../../src/cli/table';
import type { Combination } from './options';

/** One step, as it went. */
export interface Entry extends Combination {
  readonly scenario: string;
  readonly step: string;
  readonly seconds: number;
  readonly ok: boolean;
}

/** Everything that was done, in order. */
export class Journal {
  readonly entries: Entry[] = [];

  constructor(private readonly write: (line: string) => void) {}

  get failed(): boolean {
    return this.entries.some(({ ok }) => !ok);
  }

  /** Carries out one step, and tells how long it took and what it found. @throws what the step throws */
  async step<T>(place: Combination & { readonly scenario: string }, step: string, act: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const note = (ok: boolean): void => {
      const seconds = Math.round(performance.now() - began) / 1_000;
      this.entries.push({ ...place, step, seconds, ok });
      this.write(`  ${ok ? '✔' : '✖'} ${step}  ${span(seconds * 1_000)}`);
    };
    try {
      const result = await act();
      note(true);
      return result;
    } catch (error) {
      note(false);
      throw error;
    }
  }

  /** Tells something that a step found. */
  tell(line: string): void {
    this.write(`    ${line}`);
  }

  /** All steps in columns. */
  table(): string[] {
    const rows = this.entries.map(({ dataplane, mode, scenario, step, seconds, ok }) => [
      `${dataplane} ${mode}`,
      scenario,
      step,
      seconds.toFixed(1),
      ok ? 'ok' : 'FAILED',
    ]);
    return columns(rows, ['GATEWAYS', 'SCENARIO', 'STEP', 'SECONDS', 'OK']);
  }
}
