// What the trials are asked to do, read from their command line.
import { parseArgs } from 'node:util';
import { FabricError } from '../../src/errors/fabric-error';
import { INVARIANTS, type InvariantName } from './invariants';

export interface TrialOptions {
  readonly seed: number;
  /** The trials to run, by number. */
  readonly trials: readonly number[];
  /** Only this invariant is reported. */
  readonly only?: InvariantName;
  /** Processes. */
  readonly jobs: number;
  /** Worlds in each process: while one waits, another works. */
  readonly lanes: number;
  readonly output: 'table' | 'json';
  /** Prints the journal of every trial. */
  readonly verbose: boolean;
}

export const USAGE = `usage: npm run trials -- --seed SEED [--count N | --trial I] [options]
  --seed SEED        what everything is drawn from: a whole number (default: 1)
  --count N          runs trials 0 to N-1 (default: 100)
  --first I          with --count: begins with trial I (default: 0)
  --trial I          runs just this trial, and prints its journal
  --only INVARIANT   reports one invariant only: ${INVARIANTS.join(', ')}
  --jobs J           processes (default: 1)
  --lanes L          worlds in each process, whose trials go on side by side (default: 4)
  -o, --output json  prints every verdict, one JSON object a line, instead of a table`;

/** Reads the flags. @throws invalid */
export function readOptions(args: readonly string[]): TrialOptions {
  const { values } = parse(args);
  const number = (flag: string, text: string, least: number): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > 2 ** 31)
      throw invalid(`--${flag} takes a whole number from ${least} on, not ${JSON.stringify(text)}`);
    return value;
  };
  const { only, output } = values;
  if (only !== undefined && !isInvariant(only)) throw invalid(`--only knows no ${JSON.stringify(only)}`);
  if (output !== 'table' && output !== 'json') throw invalid(`--output knows table and json, not ${JSON.stringify(output)}`);
  const first = number('first', values.first, 0);
  const trials =
    values.trial === undefined
      ? Array.from({ length: number('count', values.count, 1) }, (_, index) => first + index)
      : [number('trial', values.trial, 0)];
  return {
    seed: number('seed', values.seed, 0),
    trials,
    ...(only === undefined ? {} : { only }),
    jobs: Math.min(number('jobs', values.jobs, 1), trials.length),
    lanes: number('lanes', values.lanes, 1),
    output,
    verbose: values.trial !== undefined,
  };
}

/** The one command that repeats a trial. */
export function commandOf({ seed, trial }: { readonly seed: number; readonly trial: number }): string {
  return `npm run trials -- --seed ${seed} --trial ${trial}`;
}

function parse(args: readonly string[]) {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: text('1'),
        count: text('100'),
        first: text('0'),
        trial: { type: 'string' },
        only: { type: 'string' },
        jobs: text('1'),
        lanes: text('4'),
        output: { ...text('table'), short: 'o' },
      },
    });
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error));
  }
}

function isInvariant(name: string): name is InvariantName {
  return INVARIANTS.some((known) => known === name);
}

function invalid(message: string): FabricError {
  return new FabricError({ code: 'invalid', message, hint: USAGE });
}
