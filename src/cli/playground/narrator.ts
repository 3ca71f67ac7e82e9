// How the show speaks: headings that say what is simulated, lines, and the checks by which it judges itself.
import type { RunStatus } from '../../contract/status';
import type { CliContext } from '../context';
import { paintFor, STATES, type Paint } from '../paint';
import { oneLine } from '../../errors/plain-text';
import { progressView, type ProgressView } from '../progress';
import { stepTree } from '../step-tree';
import type { TextOutput } from '../text-output';

const WIDTH = 100;
const SIMULATED = '[simulated clusters]';

/** Speaks on standard output. */
export class Narrator {
  readonly paint: Paint;
  private readonly output: TextOutput;
  private parts = 0;
  private readonly failed: string[] = [];

  constructor(private readonly context: CliContext) {
    this.output = context.stdout;
    this.paint = paintFor(context.stdout, context.env);
  }

  /** What was seen and was not as it should be. */
  get unmet(): readonly string[] {
    return this.failed;
  }

  /** Begins a part of the show. */
  part(title: string, ...lines: readonly string[]): void {
    this.parts += 1;
    const heading = `${this.parts}  ${title}`;
    this.write('', `${this.paint('bold', heading)}${this.paint('dim', SIMULATED.padStart(WIDTH - heading.length))}`);
    this.say(...lines);
    this.write('');
  }

  /** Says something, slightly indented. */
  say(...lines: readonly string[]): void {
    this.write(...lines.map((line) => `  ${line}`));
  }

  /**
   * Says what was seen, and remembers it when it is not as it should be.
   * @param wanted what it should be
   */
  check(met: boolean, seen: string, wanted: string): void {
    const told = oneLine(seen);
    if (!met) this.failed.push(`${told} (expected: ${wanted})`);
    const { mark, colour } = met ? STATES.done : STATES.failed;
    this.say(`${this.paint(colour, mark)} ${met ? told : (this.failed.at(-1) ?? '')}`);
  }

  /** Whole lines. */
  write(...lines: readonly string[]): void {
    this.output.write(lines.map((line) => `${line}\n`).join(''));
  }

  /** Shows a run's steps: live on a terminal; elsewhere as a tree when it has ended. */
  runView(title: string): ProgressView {
    const live = this.output.isTTY && this.context.env['TERM'] !== 'dumb';
    return live ? progressView({ ...this.context, stderr: this.output }, title) : this.treeAtEnd(title);
  }

  private treeAtEnd(title: string): ProgressView {
    let status: RunStatus | undefined;
    return {
      update: (next) => void (status = next),
      note: (text) => this.write(oneLine(text)),
      end: () =>
        this.write(
          this.paint('bold', title),
          ...(status === undefined ? [] : stepTree(status, { now: Date.now(), paint: this.paint, columns: WIDTH })),
        ),
    };
  }
}

/** Shows nothing of a run. */
export const UNSEEN: ProgressView = { update: () => undefined, note: () => undefined, end: () => undefined };
