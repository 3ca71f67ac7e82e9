// A fixed set of trials, the same in every run. More, and other seeds: `npm run trials` (docs/trials.md).
import { runInProcess } from './in-process';
import { commandOf } from './options';
import type { Verdict } from './trial';

const SEED = 1;
const TRIALS = 20;
const LANES = 4;

test(`whatever fails, and whoever works beside us, every invariant holds in ${TRIALS} trials of seed ${SEED}`, async () => {
  const verdicts: Verdict[] = [];
  const trials = Array.from({ length: TRIALS }, (_, trial) => trial);
  await runInProcess({ seed: SEED, trials, lanes: LANES }, (verdict) => verdicts.push(verdict));
  const failed = verdicts.filter(({ violations }) => violations.length > 0);
  for (const verdict of failed) process.stderr.write(`${commandOf(verdict)}\n${verdict.journal.join('\n')}\n`);
  expect(failed.map((verdict) => ({ repeat: commandOf(verdict), violations: verdict.violations }))).toEqual([]);
  expect(verdicts).toHaveLength(trials.length);
  const total = (what: string): number => verdicts.reduce((sum, { counts }) => sum + (counts[what] ?? 0), 0);
  // A trial in which nothing goes wrong proves nothing.
  for (const what of ['faults', 'runs failed', 'runs done', 'runs cancelled', 'partitions', 'user acts'])
    expect(total(what)).toBeGreaterThan(0);
}, 1_800_000);
