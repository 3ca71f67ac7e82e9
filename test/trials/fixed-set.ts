// The trials that every run of the tests plays, the same ones each time, in parts that can go on side by side. More, and other seeds:
// `npm run trials` (docs/trials.md).
import { runInProcess } from './in-process';
import { commandOf } from './options';
import type { Verdict } from './trial';

const SEED = 1;
/** What a part holds; the parts are the files in fixed/. */
const TRIALS = 20;
const LANES = 3;

/** Defines the test of one part. @param part from 0 on */
export function playPart(part: number): void {
  const trials = Array.from({ length: TRIALS }, (_, index) => part * TRIALS + index);
  const title = `whatever fails, and whoever works beside us, every invariant holds in trials ${trials[0]} to ${trials.at(-1)} of seed ${SEED}`;
  test(
    title,
    async () => {
      const verdicts: Verdict[] = [];
      await runInProcess({ seed: SEED, trials, lanes: LANES }, (verdict) => verdicts.push(verdict));
      const failed = verdicts.filter(({ violations }) => violations.length > 0);
      for (const verdict of failed) process.stderr.write(`${commandOf(verdict)}\n${verdict.journal.join('\n')}\n`);
      expect(failed.map((verdict) => ({ repeat: commandOf(verdict), violations: verdict.violations }))).toEqual([]);
      expect(verdicts).toHaveLength(trials.length);
      const total = (what: string): number => verdicts.reduce((sum, { counts }) => sum + (counts[what] ?? 0), 0);
      // A trial in which nothing goes wrong proves nothing.
      for (const what of ['faults', 'runs failed', 'runs done', 'runs cancelled', 'user acts']) expect(total(what)).toBeGreaterThan(0);
    },
    1_800_000,
  );
}
