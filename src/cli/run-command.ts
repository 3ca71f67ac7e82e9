// From a command's flags to its run: reads them, tells every problem at once, and only then turns to Temporal.
import { Command } from 'commander';
import { prepareRun, type RunKind, type Runs } from '../contract/runs';
import { addCommonFlags, addWaitFlags, readWaitFlags, RUN_FLAGS } from './common-flags';
import type { CliContext } from './context';
import type { RegisterReader, RunPlan } from './carry-out';
import { loadRuns } from './lazy';
import type { Paint } from './paint';
import { taskQueuesOf } from './peer-flags';
import { Problems } from './problems';
import { layOver, readRequestFile } from './request-file';
import { addRequestFlags, flagLabel, patchOf, type FlagValues, type RequestFlag } from './request-flags';

/** A command that carries out a run. */
export interface RunCommand<K extends RunKind> {
  readonly kind: K;
  readonly name: string;
  readonly description: string;
  /** Arguments in order, as commander has them. None is required, for the request file may hold them. */
  readonly operands?: readonly { readonly name: string; readonly description: string }[];
  /** Adds flags that are no plain places of the request. */
  readonly addFlags?: (command: Command) => void;
  /** Headed by `flagsHeading`. */
  readonly flags: readonly RequestFlag[];
  readonly flagsHeading: string;
  /** What the other flags and the operands put into the request that the file and the plain flags make. */
  readonly complete?: (given: GivenFlags) => Record<string, unknown>;
  /** How problems name places of the request that have no flag in `flags`. */
  readonly labels?: Readonly<Record<string, string>> | ((request: Readonly<Record<string, unknown>>) => Readonly<Record<string, string>>);
  readonly examples: string;
  readonly render: (
    result: Runs[K]['result'],
    paint: Paint,
    more: { readonly input: Runs[K]['input']; readonly readRegister: RegisterReader },
  ) => string | Promise<string>;
  readonly isFailure?: (result: Runs[K]['result']) => boolean;
  /** The last question before anything happens; `false` ends the command. */
  readonly confirm?: (input: Runs[K]['input'], values: FlagValues) => Promise<boolean>;
}

export interface GivenFlags {
  readonly values: FlagValues;
  readonly operands: readonly (string | undefined)[];
  /** The request as the file and the plain flags make it. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly cwd: string;
  readonly problems: Problems;
}

/** Makes the commander command of a run. */
export function runCommand<K extends RunKind>(context: CliContext, definition: RunCommand<K>): Command {
  const command = new Command(definition.name).description(definition.description);
  for (const { name, description } of definition.operands ?? []) command.argument(`[${name}]`, description);
  definition.addFlags?.(command);
  addRequestFlags(command.optionsGroup(definition.flagsHeading), definition.flags);
  addWaitFlags(addRequestFlags(command.optionsGroup('Run:'), RUN_FLAGS));
  addCommonFlags(command);
  command.addHelpText('after', `\n${definition.examples}`);
  return command.action(async () => carryOutCommand(context, definition, command.opts(), command.args));
}

async function carryOutCommand<K extends RunKind>(
  context: CliContext,
  definition: RunCommand<K>,
  values: FlagValues,
  operands: readonly string[],
): Promise<void> {
  const { kind, name, labels, isFailure, confirm } = definition;
  const { cwd } = context;
  const problems = new Problems();
  const wait = readWaitFlags(values, context, problems);
  const flags = [...definition.flags, ...RUN_FLAGS];
  const file = typeof values['file'] === 'string' ? values['file'] : undefined;
  const request = layOver(readRequestFile(file, cwd, problems), patchOf(flags, values, problems));
  const whole = layOver(request, definition.complete?.({ values, operands, request, cwd, problems }) ?? {});
  const label = flagLabel(flags, typeof labels === 'function' ? labels(whole) : labels, file !== undefined);
  problems.addRequest(kind, whole, label);
  problems.throwIfAny(name);
  const input = whole as unknown as Runs[K]['input'];
  const { summary } = prepareRun(kind, input);
  if (confirm !== undefined && !(await confirm(input, values))) return;
  const render: RunPlan<K>['render'] = (result, paint, readRegister) => definition.render(result, paint, { input, readRegister });
  await loadRuns().carryOut(
    context,
    { kind, input, title: summary, peerQueues: taskQueuesOf(whole), render, ...(isFailure === undefined ? {} : { isFailure }) },
    wait,
  );
}
