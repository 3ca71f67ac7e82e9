// The flags that many commands share: which fabric, which Temporal, how to print, how to wait.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { duration, durationMs } from '../model/duration';
import { dnsLabel } from '../model/names';
import { TASK_QUEUE } from '../contract/task-queue';
import type { TemporalTarget } from '../temporal/connection';
import type { CliContext } from './context';
import { FORMATS, type Format } from './output';
import type { Problems } from './problems';
import { choiceOption, type FlagValues, type RequestFlag } from './request-flags';

/** Flags of every command that reads or changes a fabric. */
export function addCommonFlags(command: Command, formats: readonly string[] = FORMATS): Command {
  command
    .optionsGroup('Output and Temporal:')
    .addOption(choiceOption('-o, --output <format>', `how results are printed (default: ${formats[0] ?? ''})`, formats));
  return addTemporalFlags(command);
}

/** Which Temporal server and namespace, and how payloads are encrypted there. */
export function addTemporalFlags(command: Command): Command {
  command
    .option('--address <host:port>', "Temporal server (default: the profile's, else 127.0.0.1:7233)")
    .option('--temporal-namespace <name>', "Temporal namespace (default: the profile's, else default)")
    .option('--profile <name>', "profile of Temporal's configuration file");
  return addCodecKeysFlag(command);
}

/** With which keys payloads in Temporal are encrypted. */
export function addCodecKeysFlag(command: Command): Command {
  return command.option('--codec-keys <file>', 'keys that payloads are encrypted with (default: $SKYFABRIC_CODEC_KEYS, else in plain)');
}

/** The file that the flag or the environment names, absolute. */
export function codecKeysOf(values: FlagValues, { env, cwd }: CliContext): string | undefined {
  const flag = values['codecKeys'];
  const file = typeof flag === 'string' ? flag : env['SKYFABRIC_CODEC_KEYS'];
  return file ? resolve(cwd, file) : undefined;
}

/** Places of a request that every run has. */
export const RUN_FLAGS: readonly RequestFlag[] = [
  { flags: '--fabric <name>', description: 'the fabric (default: default)', paths: ['fabric'] },
  { flags: '--reason <text>', description: "why, for the record and Temporal's UI", paths: ['reason'] },
  {
    flags: '--step-timeout <duration>',
    description: 'longest that one step may take, retries included (default: 10m)',
    paths: ['deadlines.step'],
  },
  {
    flags: '--undo-timeout <duration>',
    description: 'longest that one undo may take, retries included (default: 15m)',
    paths: ['deadlines.undo'],
  },
];

/** How a run is waited for. */
export function addWaitFlags(command: Command): Command {
  return command
    .option('-f, --file <file>', 'read the request from a YAML or JSON file; flags win')
    .option('--detach', 'start the run, print its workflow id, and leave it to itself')
    .option('--timeout <duration>', 'stop waiting after this long (exit 124); the run goes on');
}

/** Where and how to print. */
export interface CommonFlags {
  readonly format: Format;
  readonly target: TemporalTarget;
  /** Where the fabric's workers listen. */
  readonly taskQueue: string;
}

export interface WaitFlags extends CommonFlags {
  readonly detach: boolean;
  readonly timeoutMs: number | undefined;
}

/** Reads the flags that addCommonFlags adds. */
export function readCommonFlags(values: FlagValues, context: CliContext, problems: Problems): CommonFlags {
  return {
    format: readChoice(values['output'], FORMATS, '--output', problems),
    target: targetOf(values, context, problems),
    taskQueue: taskQueueOf(context),
  };
}

/** Reads the flags that addCommonFlags and addWaitFlags add. */
export function readWaitFlags(values: FlagValues, context: CliContext, problems: Problems): WaitFlags {
  const { timeout, detach } = values;
  if (detach === true && timeout !== undefined) problems.add('--timeout: means nothing with --detach');
  return {
    ...readCommonFlags(values, context, problems),
    detach: detach === true,
    timeoutMs: readDuration(timeout, '--timeout', problems),
  };
}

/** The fabric that a reading command asks about. */
export function readFabricName(values: FlagValues, problems: Problems): string {
  const name = values['fabric'] ?? 'default';
  const parsed = dnsLabel.safeParse(name);
  for (const issue of parsed.error?.issues ?? []) problems.add(`--fabric ${JSON.stringify(name)}: ${issue.message}`);
  return parsed.data ?? '';
}

/** The Temporal server that the flags and the environment name. */
export function targetOf(values: FlagValues, context: CliContext, problems: Problems): TemporalTarget {
  const text = (name: string): string | undefined => (typeof values[name] === 'string' ? values[name] : undefined);
  const address = text('address');
  const [, port] = /^(?:\[[\da-f:.%]+\]|[^\s:/[\]]+):(\d{1,5})$/i.exec(address ?? '') ?? [];
  if (address !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535))
    problems.add(`--address ${JSON.stringify(address)}: must be HOST:PORT, as in 127.0.0.1:7233`);
  return {
    address,
    namespace: text('temporalNamespace'),
    profile: text('profile'),
    codecKeys: codecKeysOf(values, context),
    env: context.env,
  };
}

/** The task queue of the fabric's workers: `SKYFABRIC_TASK_QUEUE`, else the usual one. */
export function taskQueueOf(context: CliContext): string {
  return context.env['SKYFABRIC_TASK_QUEUE'] || TASK_QUEUE;
}

/** A value that is one of some; the first of them when none is given. */
export function readChoice<const T extends string>(value: unknown, choices: readonly [T, ...T[]], flag: string, problems: Problems): T {
  if (value === undefined) return choices[0];
  const found = choices.find((choice) => choice === value);
  if (found === undefined) problems.add(`${flag} ${JSON.stringify(value)}: must be one of ${choices.join(', ')}`);
  return found ?? choices[0];
}

/** A whole number within bounds, or `undefined` when none is given. */
export function readNumber(value: unknown, flag: string, least: number, most: number, problems: Problems): number | undefined {
  if (value === undefined) return undefined;
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : NaN;
  if (number >= least && number <= most) return number;
  problems.add(`${flag} ${JSON.stringify(value)}: must be a whole number from ${least} to ${most}`);
  return undefined;
}

/** A duration in milliseconds, or `undefined` when none is given. */
export function readDuration(value: unknown, flag: string, problems: Problems): number | undefined {
  if (value === undefined) return undefined;
  const parsed = duration.safeParse(value);
  if (parsed.success) return durationMs(parsed.data);
  problems.add(`${flag} ${JSON.stringify(value)}: ${parsed.error.issues[0]?.message ?? 'must be a duration'}`);
  return undefined;
}
