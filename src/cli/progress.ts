// Live progress on standard error: a tree redrawn in place on a terminal, otherwise one line for each change.
import type { RunStatus, StepStatus } from '../contract/status';
import type { CliContext } from './context';
import { paintFor } from './paint';
import { oneLine } from '../errors/plain-text';
import { stepText, stepTree } from './step-tree';
import { cut, span } from './table';

/** What is shown of a run while it goes on. */
export interface ProgressView {
  update(status: RunStatus): void;
  /** Says something beside the steps. */
  note(text: string): void;
  /** Leaves the last state standing. */
  end(): void;
}

/** The view that fits the output. @param title what the run does, in a few words */
export function progressView(context: CliContext, title: string, now: () => number = Date.now): ProgressView {
  return context.stderr.isTTY && context.env['TERM'] !== 'dumb' ? treeView(context, title, now) : lineView(context, title, now);
}

function treeView({ stderr, env }: CliContext, title: string, now: () => number): ProgressView {
  const paint = paintFor(stderr, env);
  const began = now();
  const notes: string[] = [];
  let status: RunStatus | undefined;
  let drawn = 0;
  const draw = (last: boolean): void => {
    const columns = stderr.columns ?? 100;
    const room = last ? {} : { rows: Math.max((stderr.rows ?? 40) - notes.length - 3, 5) };
    const lines = [
      `${paint('bold', cut(oneLine(title), columns - 12))}  ${paint('dim', span(now() - began))}`,
      ...(status === undefined ? [] : stepTree(status, { now: now(), paint, columns, ...room })),
      ...notes.map((text) => paint('yellow', cut(oneLine(text), columns))),
    ];
    stderr.writeOver(drawn, `${lines.join('\n')}\n`);
    drawn = lines.length;
  };
  return {
    update(next) {
      status = next;
      draw(false);
    },
    note(text) {
      notes.push(text);
      draw(false);
    },
    end: () => draw(true),
  };
}

function lineView({ stderr }: CliContext, title: string, now: () => number): ProgressView {
  let began = now();
  const told = new Map<string, string>();
  const say = (text: string, at = now()): unknown => stderr.write(`${span(at - began).padStart(6)}  ${text}\n`);
  say(oneLine(title));
  return {
    update(status) {
      // A run that was attached to began before it was looked at.
      const starts = status.steps.flatMap(({ startedAt }) => startedAt ?? []);
      if (starts.length > 0) began = Math.min(...starts);
      const news = status.steps
        .filter((step) => told.get(step.id) !== newsOf(step))
        .map((step) => ({ step, at: timeOf(step, told.has(step.id)) ?? now() }));
      for (const { step, at } of news.sort((one, other) => one.at - other.at)) {
        told.set(step.id, newsOf(step));
        say(stepText(step), at);
      }
    },
    note: (text) => void say(oneLine(text)),
    end: () => undefined,
  };
}

/** What is worth a line: that one more attempt fails as the last one did is not. */
function newsOf(step: StepStatus): string {
  return stepText({ ...step, attempts: 1 });
}

/** When a step came to be as it is; `undefined` when only the one who looks can tell, as with another attempt or an undo. */
function timeOf({ state, startedAt, endedAt }: StepStatus, isKnown: boolean): number | undefined {
  if (state === 'running') return isKnown ? undefined : startedAt;
  return state === 'done' || state === 'failed' ? endedAt : undefined;
}
