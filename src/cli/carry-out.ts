// Carries out a run for a command: starts it or finds it running, shows it, and prints how it ended.
import { readRegister } from '../contract/read-register';
import type { Register } from '../contract/register';
import { prepareRun, type RunKind, type Runs } from '../contract/runs';
import { isFabricError } from '../errors/fabric-error';
import { startRun } from '../temporal/runs';
import type { WaitFlags } from './common-flags';
import { EXIT, type CliContext, type ExitCode } from './context';
import { followRun, type BadEnd, type RunEnd } from './follow-run';
import { printResult } from './output';
import { paintFor, type Paint } from './paint';
import { oneLine } from '../errors/plain-text';
import { fabricRegister } from './queries';
import { progressView } from './progress';
import { failureText, leftText, unreadText } from './run-report';
import { requireWorkers, withTemporal, type TemporalSession } from './temporal-session';
import { runUrl, uiBase } from './ui-url';

const KEYS_DEADLINE_MS = 5_000;

/** Reads the register of a fabric after its run; `undefined` when there is no such fabric. */
export type RegisterReader = (fabric: string) => Promise<Register | undefined>;

/** A run as a command wants it. */
export interface RunPlan<K extends RunKind> {
  readonly kind: K;
  readonly input: Runs[K]['input'];
  /** What it does, in a few words. */
  readonly title: string;
  /** Task queues of peers, which need a worker too. */
  readonly peerQueues?: readonly string[];
  /** The result for people. */
  readonly render: (result: Runs[K]['result'], paint: Paint, readRegister: RegisterReader) => string | Promise<string>;
  /** Whether a result that came in order still fails the command. */
  readonly isFailure?: (result: Runs[K]['result']) => boolean;
}

/** Carries out a run; the exit code tells how it ended. */
export async function carryOut<K extends RunKind>(context: CliContext, plan: RunPlan<K>, flags: WaitFlags): Promise<void> {
  await withTemporal(flags.target, async (session) => {
    await requireWorkers(session, flags.taskQueue, plan.peerQueues);
    await requireCodecKeys(session, prepareRun(plan.kind, plan.input).request.fabric);
    const run = await startRun(session.client, plan.kind, plan.input, flags.taskQueue);
    const { workflowId, runId, attached } = run;
    if (flags.detach) {
      printResult(context.stdout, flags.format, { workflowId, runId, outcome: 'detached' }, () => oneLine(workflowId));
      context.stderr.write(`${leftText(workflowId, attached ? 'It was running already.' : 'Started.', flags.target)}\n`);
      return;
    }
    context.stderr.write(
      `${attached ? 'Attached to the running' : 'Started'} ${oneLine(workflowId)}${seenAt(session, context, workflowId, runId)}\n`,
    );
    let interrupted = false;
    const end = await followRun<Runs[K]['result']>(session.client, run.handle, {
      view: progressView(context, plan.title),
      interrupt: 'cancel',
      timeoutMs: flags.timeoutMs,
      onSignal: (signals, listener) =>
        context.onSignal(signals, () => {
          interrupted = true;
          listener();
        }),
    });
    await reportEnd(context, session, flags, plan, { workflowId, runId }, end);
    context.exitCode = exitCodeOf(end, interrupted, plan.isFailure);
  });
}

/**
 * Where the workers of a fabric that stands have keys of the payload codec that this command lacks, its request would be sent in plain, and
 * nothing of the run could be read; with a wrong key no worker could read it. A register that does not answer does not tell.
 * @throws forbidden, invalid: as the codec does
 */
async function requireCodecKeys({ client }: TemporalSession, fabric: string): Promise<void> {
  try {
    await client.withDeadline(Date.now() + KEYS_DEADLINE_MS, () => readRegister(client, fabric));
  } catch (error) {
    if (isFabricError(error)) throw error;
  }
}

/** Follows a run that is there, by default the latest of its id, and prints its end; Ctrl-C only stops the watching. @returns its end */
export async function watchRun(
  context: CliContext,
  session: TemporalSession,
  flags: WaitFlags,
  workflowId: string,
  givenRunId?: string,
): Promise<RunEnd<unknown>> {
  const handle = session.client.workflow.getHandle(workflowId, givenRunId);
  const { runId, type } = await handle.describe();
  const pinned = session.client.workflow.getHandle(workflowId, runId);
  const end = await followRun<unknown>(session.client, pinned, {
    view: progressView(context, workflowId),
    interrupt: 'detach',
    timeoutMs: flags.timeoutMs,
    onSignal: context.onSignal,
  });
  await reportEnd(context, session, flags, { render: () => `${oneLine(type)} is done.` }, { workflowId, runId }, end);
  context.exitCode = exitCodeOf(end, false);
  return end;
}

async function reportEnd<R>(
  context: CliContext,
  session: TemporalSession,
  flags: WaitFlags,
  plan: { readonly render: (result: R, paint: Paint, readRegister: RegisterReader) => string | Promise<string> },
  ids: { readonly workflowId: string; readonly runId: string },
  end: RunEnd<R>,
): Promise<void> {
  const { stdout, stderr, env } = context;
  const { target, taskQueue, format } = flags;
  const result = 'result' in end ? (end.result as R) : undefined;
  if (format !== 'table' || result !== undefined) {
    const readRegister: RegisterReader = (fabric) => fabricRegister(session, fabric, taskQueue);
    const text = format === 'table' && result !== undefined ? await plan.render(result, paintFor(stdout, env), readRegister) : '';
    printResult(stdout, format, { ...ids, ...end }, () => text);
  }
  if (end.outcome === 'timed-out') stderr.write(`${leftText(ids.workflowId, 'Waited as long as --timeout allows.', target)}\n`);
  else if (end.outcome === 'detached') stderr.write(`${leftText(ids.workflowId, 'Detached.', target)}\n`);
  else if (isBad(end)) {
    stderr.write(
      `${failureText(end.outcome, end.problem, end.rollback, paintFor(stderr, env))}\n${end.rollbackUnread === true ? `${unreadText(ids.workflowId, target)}\n` : ''}  Run: ${oneLine(ids.workflowId)} (${ids.runId})\n`,
    );
  }
}

function isBad<R>(end: RunEnd<R>): end is BadEnd {
  return end.outcome === 'failed' || end.outcome === 'cancelled' || end.outcome === 'terminated';
}

function exitCodeOf<R>(end: RunEnd<R>, interrupted: boolean, isFailure?: (result: R) => boolean): ExitCode {
  switch (end.outcome) {
    case 'done':
      return isFailure?.(end.result) === true ? EXIT.failed : EXIT.done;
    case 'timed-out':
      return EXIT.timedOut;
    case 'detached':
      return EXIT.interrupted;
    case 'cancelled':
      return interrupted ? EXIT.interrupted : EXIT.failed;
    case 'failed':
    case 'terminated':
      return EXIT.failed;
  }
}

function seenAt({ address, namespace }: TemporalSession, { env }: CliContext, workflowId: string, runId: string): string {
  const base = uiBase(address, env);
  return base === undefined ? '' : `\n  ${runUrl(base, namespace, workflowId, runId)}`;
}
