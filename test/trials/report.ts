// Tells of trials: each as it ends, and all of them in a table at the end.
import { columns } from '../../src/cli/table';
import { commandOf, type TrialOptions } from './options';
import type { Verdict } from './trial';

export class Report {
  private readonly verdicts: Verdict[] = [];
  private readonly begun = performance.now();

  constructor(private readonly options: Pick<TrialOptions, 'output' | 'verbose' | 'trials'>) {}

  get failed(): boolean {
    return this.verdicts.some(({ violations }) => violations.length > 0);
  }

  take(verdict: Verdict): void {
    this.verdicts.push(verdict);
    if (this.options.output === 'json') {
      process.stdout.write(`${JSON.stringify(verdict)}\n`);
      return;
    }
    const { violations, journal, theme, setting, ms, trial } = verdict;
    if (violations.length > 0) {
      process.stderr.write(`\ntrial ${trial} failed: ${commandOf(verdict)}\n`);
      for (const { invariant, when, told } of violations) process.stderr.write(`  ${invariant} (${when}): ${told}\n`);
      for (const line of journal) process.stderr.write(`    ${line}\n`);
    }
    const isMilestone = this.verdicts.length % 25 === 0 || this.options.verbose;
    if (isMilestone)
      process.stderr.write(
        `${this.verdicts.length} of ${this.options.trials.length} trials; the last: ${theme} on ${setting}, ${(ms / 1_000).toFixed(1)} s\n`,
      );
  }

  /** What was tried, and what came out. */
  table(): string {
    const themes = [...new Set(this.verdicts.map(({ theme }) => theme))].sort();
    const rows = [...themes, 'all'].map((theme) => {
      const those = this.verdicts.filter((verdict) => theme === 'all' || verdict.theme === theme);
      const sum = (what: string): string => String(those.reduce((all, { counts }) => all + (counts[what] ?? 0), 0));
      const failed = those.filter(({ violations }) => violations.length > 0).length;
      const begun = ['done', 'failed', 'cancelled', 'refused'].map((how) => sum(`runs ${how}`));
      return [
        theme,
        String(those.length),
        ...begun,
        sum('activities'),
        sum('faults'),
        sum('partitions'),
        sum('cancellations'),
        sum('user acts'),
        String(failed),
      ];
    });
    const heads = [
      'THEME',
      'TRIALS',
      'DONE',
      'FAILED',
      'CANCELLED',
      'REFUSED',
      'ACTIVITIES',
      'FAULTS',
      'PARTITIONS',
      'CANCELS',
      'USER',
      'VIOLATED',
    ];
    const totals = new Map<string, number>();
    for (const { counts } of this.verdicts)
      for (const [what, count] of Object.entries(counts)) totals.set(what, (totals.get(what) ?? 0) + count);
    const lines = [...totals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, count]) => `${what}: ${count}`);
    const seconds = ((performance.now() - this.begun) / 1_000).toFixed(0);
    return `${columns(rows, heads).join('\n')}\n\n${lines.join(', ')}\n${seconds} s`;
  }
}
