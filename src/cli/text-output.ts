// The one way to the terminal. Whatever text comes here, no byte of it but our own colours can steer a terminal: texts from clusters,
// from Temporal and from files are made plain where lines are laid out, and what was forgotten there is made plain here.
import { plain } from '../errors/plain-text';

/** A stream, such as `process.stdout`. */
export interface TextStream {
  write(text: string): unknown;
  /** Whether a person sees it on a terminal. */
  readonly isTTY?: boolean;
  /** Of the terminal. */
  readonly columns?: number;
  readonly rows?: number;
}

const ESC = '\u001b';
/** The colours of paint.ts (SGR: set and reset), and no other sequence. */
const COLOUR = /(\u001b\[(?:1|2|22|31|32|33|36|39)m)/;

/** A stream that only clean text reaches. */
export class TextOutput {
  constructor(private readonly stream: TextStream) {}

  get isTTY(): boolean {
    return this.stream.isTTY === true;
  }

  get columns(): number | undefined {
    return this.stream.columns;
  }

  get rows(): number | undefined {
    return this.stream.rows;
  }

  /** Writes text; of control characters only line feeds come through, and on a terminal our colours. */
  write(text: string): void {
    this.stream.write(this.clean(text));
  }

  /** Writes text over the last lines of the terminal, and clears what stood below. @param lines how many are written over */
  writeOver(lines: number, text: string): void {
    this.stream.write(`${lines === 0 ? '' : `${ESC}[${lines}A`}\r${ESC}[0J${this.clean(text)}`);
  }

  /** Empties the terminal's screen. */
  clearScreen(): void {
    this.stream.write(`${ESC}[H${ESC}[2J`);
  }

  private clean(text: string): string {
    if (!this.isTTY) return plain(text);
    return text
      .split(COLOUR)
      .map((part, index) => (index % 2 === 1 ? part : plain(part)))
      .join('');
  }
}
