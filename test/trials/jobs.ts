// Runs trials in several processes. Which process a trial is in makes no difference to its schedule.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { runInProcess } from './in-process';
import type { TrialOptions } from './options';
import type { Verdict } from './trial';

type Share = Pick<TrialOptions, 'seed' | 'trials' | 'lanes' | 'only'>;

/** Tells a process that it is one of several. */
export const SHARE_VARIABLE = 'SKYFABRIC_TRIALS_SHARE';

/** @param onVerdict told of each trial as it ends, in whatever process */
export async function runInJobs(options: TrialOptions, onVerdict: (verdict: Verdict) => void): Promise<void> {
  const { jobs, trials } = options;
  if (jobs === 1) return runInProcess(options, onVerdict);
  const shares = Array.from({ length: jobs }, (_, job): Share => ({
    ...options,
    trials: trials.filter((_trial, index) => index % jobs === job),
  }));
  await Promise.all(shares.map((share) => runShare(share, onVerdict)));
}

/** The share that this process was started for, carried out. */
export async function runOwnShare(share: string): Promise<void> {
  await runInProcess(JSON.parse(share) as Share, (verdict) => process.send?.(verdict));
}

async function runShare(share: Share, onVerdict: (verdict: Verdict) => void): Promise<void> {
  const child = fork(join(__dirname, 'main.ts'), [], { env: { ...process.env, [SHARE_VARIABLE]: JSON.stringify(share) } });
  child.on('message', (verdict) => onVerdict(verdict as Verdict));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`a process of trials ended with ${String(code)}`);
}
