// A run's steps as a person sees them: a tree, grouped by peer.
import type { RunStatus, StepStatus } from '../contract/status';
import type { Paint } from './paint';
import { STATES } from './paint';
import { oneLine } from '../errors/plain-text';
import { cut, span, width } from './table';

export interface TreeOptions {
  /** Milliseconds since the epoch, for steps that still run. */
  readonly now: number;
  readonly paint: Paint;
  /** Of the terminal; lines are cut to it. */
  readonly columns: number;
  /** At most so many lines: peers that need no attention are told in one. Default: no limit. */
  readonly rows?: number;
}

/** The tree's lines. */
export function stepTree(status: RunStatus, options: TreeOptions): string[] {
  const groups = groupByPeer(status);
  const titleWidth = Math.max(0, ...status.steps.map((step) => width(oneLine(step.title))));
  const whole = groups.map((group) => ({ ...group, lines: group.steps.map((step) => stepLine(step, titleWidth, options)) }));
  const limit = options.rows ?? Infinity;
  let size = whole.reduce((sum, { lines }) => sum + 1 + lines.length, 0);
  const lines: string[] = [];
  for (const { name, steps, lines: own } of whole) {
    const quiet = steps.every(({ state }) => state === 'done' || state === 'undone');
    if (size > limit && quiet) {
      size -= own.length;
      lines.push(groupLine(name, steps, options));
    } else lines.push(`  ${options.paint('bold', cut(name, options.columns - 2))}`, ...own);
  }
  // A mesh of a hundred peers does not fit any terminal: the rest is told by number.
  return lines.length <= limit ? lines : [...lines.slice(0, limit - 1), `  … and ${lines.length - limit + 1} more lines`];
}

/** A step in words, for outputs that are not redrawn: `west: deploy gateway: done, created (attempt 2)`. */
export function stepText(step: StepStatus): string {
  const place = step.peer === undefined ? '' : `${oneLine(step.peer)}: `;
  const attempts = (step.attempts ?? 1) > 1 ? ` (attempt ${step.attempts ?? 1})` : '';
  const told = toldOf(step);
  return `${place}${oneLine(step.title)}: ${STATES[step.state].name}${attempts}${told === '' ? '' : `: ${told}`}`;
}

function groupByPeer(status: RunStatus): { readonly name: string; readonly steps: readonly StepStatus[] }[] {
  const groups = new Map<string | undefined, StepStatus[]>();
  for (const step of status.steps) groups.set(step.peer, [...(groups.get(step.peer) ?? []), step]);
  return [...groups].map(([peer, steps]) => ({ name: peer === undefined ? `fabric ${oneLine(status.fabric)}` : oneLine(peer), steps }));
}

function groupLine(name: string, steps: readonly StepStatus[], { paint, columns }: TreeOptions): string {
  const { mark, colour, name: state } = STATES[steps.at(-1)?.state ?? 'done'];
  return `  ${paint('bold', cut(name, columns - 30))} ${paint(colour, mark)} ${steps.length} steps ${state}`;
}

function stepLine(step: StepStatus, titleWidth: number, { now, paint, columns }: TreeOptions): string {
  const { mark, colour } = STATES[step.state];
  const title = oneLine(step.title).padEnd(titleWidth);
  const facts = [
    step.startedAt === undefined ? '' : span((step.endedAt ?? now) - step.startedAt),
    (step.attempts ?? 1) > 1 ? `attempt ${step.attempts ?? 1}` : '',
    toldOf(step),
  ].filter((fact) => fact !== '');
  const rest = cut(facts.join('  '), columns - titleWidth - 8);
  return `    ${paint(colour, mark)} ${title}  ${paint(step.lastError === undefined ? 'dim' : 'red', rest)}`.trimEnd();
}

function toldOf(step: StepStatus): string {
  return oneLine(step.lastError?.message ?? step.note ?? '');
}
