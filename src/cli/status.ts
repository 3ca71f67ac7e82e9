// `skyfabric status`: a fabric as it stands, or the steps of one run.
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { emptyRegister } from '../contract/register';
import type { RunStatus } from '../contract/status';
import { addCommonFlags, readFabricName, readWaitFlags, type WaitFlags } from './common-flags';
import { EXIT, type CliContext } from './context';
import { loadQueries, loadRuns, loadSession } from './lazy';
import { oneLine } from '../errors/plain-text';
import { printResult } from './output';
import { paintFor, type Paint } from './paint';
import { Problems } from './problems';
import { registerView } from './register-view';
import { failureText, rollbackLines } from './run-report';
import { stepTree } from './step-tree';
import type { TemporalSession } from './temporal-session';

const WATCH_PAUSE_MS = 2_000;
const MAX_RUNNING = 50;

/** The command. */
export function statusCommand(context: CliContext): Command {
  const command = new Command('status')
    .description('show a fabric: peers, links, connections, and what goes on; or the steps of one run')
    .argument('[workflow-id]', 'a run')
    .option('--fabric <name>', 'the fabric (default: default)')
    .option('-w, --watch', 'keep showing it until Ctrl-C, or until the run ends')
    .option('--timeout <duration>', 'stop watching after this long (exit 124)');
  addCommonFlags(command).addHelpText(
    'after',
    `
Examples:
    $ skyfabric status
    $ skyfabric status --fabric prod -o yaml
    $ skyfabric status --watch
  One run, to its end:
    $ skyfabric status bootstrap/default/east+west --watch`,
  );
  return command.action(async () => {
    const values = command.opts();
    const [workflowId] = command.args;
    const problems = new Problems();
    const flags = readWaitFlags(values, context, problems);
    const fabric = readFabricName(values, problems);
    if (values['timeout'] !== undefined && values['watch'] !== true) problems.add('--timeout: means nothing without --watch');
    problems.throwIfAny('status');
    await loadSession().withTemporal(flags.target, async (session) => {
      if (workflowId === undefined) await showFabric(context, session, flags, fabric, values['watch'] === true);
      else if (values['watch'] === true) await loadRuns().watchRun(context, session, flags, workflowId);
      else await showRun(context, session, flags, workflowId);
    });
  });
}

async function showFabric(context: CliContext, session: TemporalSession, flags: WaitFlags, fabric: string, watch: boolean): Promise<void> {
  const { stdout, env } = context;
  const { fabricRegister, listRuns, noFabric } = loadQueries();
  const look = async (): Promise<{ readonly shown: object; readonly text: string }> => {
    const [register, running] = await Promise.all([
      fabricRegister(session, fabric, flags.taskQueue),
      listRuns(session, fabric, { limit: MAX_RUNNING, onlyRunning: true }),
    ]);
    if (register === undefined && running.length === 0) noFabric(session, fabric);
    const known = register ?? emptyRegister(fabric);
    return { shown: { ...known, running }, text: registerView(known, running, paintFor(stdout, env)) };
  };
  const print = ({ shown, text }: { readonly shown: object; readonly text: string }): void =>
    printResult(stdout, flags.format, shown, () => text);
  if (!watch) {
    print(await look());
    return;
  }

  const stop = new AbortController();
  const leave = (code: typeof EXIT.interrupted | typeof EXIT.timedOut): void => {
    context.exitCode = code;
    stop.abort();
  };
  const forget = context.onSignal(['SIGINT'], () => leave(EXIT.interrupted));
  const timer = flags.timeoutMs === undefined ? undefined : setTimeout(() => leave(EXIT.timedOut), flags.timeoutMs);
  try {
    let last = '';
    while (!stop.signal.aborted) {
      const seen = await look();
      const told = stdout.isTTY ? seen.text : JSON.stringify({ ...seen.shown, running: undefined });
      if (told !== last || stdout.isTTY) {
        if (stdout.isTTY && flags.format === 'table') stdout.clearScreen();
        print(seen);
      }
      last = told;
      await sleep(WATCH_PAUSE_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  } finally {
    clearTimeout(timer);
    forget();
  }
}

async function showRun(context: CliContext, session: TemporalSession, flags: WaitFlags, workflowId: string): Promise<void> {
  const { stdout, env } = context;
  const status = await loadQueries().runStatus(session, workflowId);
  printResult(stdout, flags.format, status, () => runView(status, paintFor(stdout, env), stdout.columns ?? 120));
}

function runView(status: RunStatus, paint: Paint, columns: number): string {
  const { kind, phase, problem, rollback } = status;
  return [
    `${paint('bold', oneLine(kind))}: ${oneLine(phase)}`,
    ...stepTree(status, { now: Date.now(), paint, columns }),
    ...(phase === 'terminated'
      ? ['Nothing was undone: see what it has left with `skyfabric cleanup`, or run the same command again.']
      : []),
    ...(problem !== undefined
      ? [failureText(phase, problem, rollback, paint)]
      : rollback === undefined
        ? []
        : rollbackLines(rollback, paint)),
  ].join('\n');
}
