// Flags that stand for places in a request: one table gives the option, its help, its completion and how problems name it.
import { Option, type Command } from 'commander';
import type { Problems } from './problems';

/** A flag that sets places in a request. */
export interface RequestFlag {
  /** As commander has it: `--step-timeout <duration>`. */
  readonly flags: string;
  readonly description: string;
  /** Places in the request, dotted. */
  readonly paths: readonly [string, ...string[]];
  /** Default: `text`. `list` may be repeated or given with commas. */
  readonly read?: 'text' | 'number' | 'list' | 'on' | 'off';
  readonly choices?: readonly string[];
}

/** What the flags of a command hold, by commander's attribute names. */
export type FlagValues = Readonly<Record<string, unknown>>;

/** Adds the flags to a command. */
export function addRequestFlags(command: Command, flags: readonly RequestFlag[]): Command {
  for (const flag of flags)
    command.addOption(
      flag.read === 'list' ? listOption(flag.flags, flag.description) : choiceOption(flag.flags, flag.description, flag.choices),
    );
  return command;
}

/** An option whose choices are shown and completed here; a wrong one is told with all other problems. */
export function choiceOption(flags: string, description: string, choices?: readonly string[]): Option {
  const option = new Option(flags, description);
  if (choices !== undefined) option.argChoices = [...choices];
  return option;
}

/** An option that may be repeated, and whose values may be given with commas. */
export function listOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string, earlier: string[] | undefined) => [
    ...(earlier ?? []),
    ...value.split(',').map((part) => part.trim()),
  ]);
}

/** An option that may be repeated. */
export function repeatableOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string, earlier: string[] | undefined) => [...(earlier ?? []), value]);
}

/** The places that the given flags set. */
export function patchOf(flags: readonly RequestFlag[], values: FlagValues, problems: Problems): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  for (const flag of flags) {
    const value = readFlag(flag, values, problems);
    if (value !== undefined) for (const path of flag.paths) setAt(patch, path, value);
  }
  return patch;
}

/**
 * Names a place of the request by its flag; a place without one by itself.
 * @param withPaths also tells the place below the flag's own: for those who wrote a file and know its places
 */
export function flagLabel(
  flags: readonly RequestFlag[],
  extra: Readonly<Record<string, string>> = {},
  withPaths = false,
): (path: string) => string {
  const known = [...flags.flatMap((flag) => flag.paths.map((path) => [path, longName(flag.flags)] as const)), ...Object.entries(extra)];
  return (path) => {
    const [place, name] =
      known.filter(([prefix]) => path === prefix || path.startsWith(`${prefix}.`)).sort(([a], [b]) => b.length - a.length)[0] ?? [];
    if (place === undefined || name === undefined) return path === '' ? 'the request' : path;
    return path === place || !withPaths ? name : `${name} (${path})`;
  };
}

function readFlag(flag: RequestFlag, values: FlagValues, problems: Problems): unknown {
  const value = values[new Option(flag.flags).attributeName()];
  if (flag.read === 'off') return value === false ? false : undefined;
  if (typeof value !== 'string') return value;
  const number = /^-?\d{1,15}$/.test(value) ? Number(value) : NaN;
  let wrong: string | undefined;
  if (flag.choices !== undefined && !flag.choices.includes(value)) wrong = `must be one of ${flag.choices.join(', ')}`;
  if (flag.read === 'number' && Number.isNaN(number)) wrong = 'must be a whole number';
  if (wrong !== undefined) {
    problems.add(`${longName(flag.flags)} ${JSON.stringify(value)}: ${wrong}`, flag.paths[0]);
    return undefined;
  }
  return flag.read === 'number' ? number : value;
}

function longName(flags: string): string {
  return new Option(flags).long ?? flags;
}

/** Sets a dotted place, making the objects on the way. */
function setAt(target: Record<string, unknown>, path: string, value: unknown): void {
  const [key = '', ...rest] = path.split('.');
  if (rest.length === 0) target[key] = value;
  else setAt((target[key] ??= {}) as Record<string, unknown>, rest.join('.'), value);
}
