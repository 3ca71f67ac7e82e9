// Finds private keys in PEM, whole or cut off. By hand and not by one expression, which would look for the same end again and again
// behind every one of many beginnings.

const BEGIN = /-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----/g;
const END = /-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----/g;
/** What follows a beginning without an end: lines of base64, also escaped ones. */
const BODY = /[A-Za-z0-9+/=\s\\]*/y;
/** Between beginning and end; times and names of a log may stand before each line. */
const LONGEST_BODY = 20_000;

/** A part of a text: from `start` to before `end`. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where private keys stand, in order. Takes time in proportion to the text. */
export function privateBlocks(text: string): Span[] {
  const spans: Span[] = [];
  let nextEnd = after(END, text, 0);
  for (let begin = after(BEGIN, text, 0); begin !== undefined; begin = after(BEGIN, text, spans.at(-1)?.end ?? 0)) {
    if (nextEnd !== undefined && nextEnd.start < begin.end) nextEnd = after(END, text, begin.end);
    const whole = nextEnd !== undefined && nextEnd.start - begin.end <= LONGEST_BODY ? nextEnd : undefined;
    spans.push({ start: begin.start, end: (whole ?? after(BODY, text, begin.end) ?? begin).end });
  }
  return spans;
}

/** The text with each of its private keys replaced. */
export function replacePrivateBlocks(text: string, replace: (block: string) => string): string {
  let kept = '';
  let from = 0;
  for (const { start, end } of privateBlocks(text)) {
    kept += text.slice(from, start) + replace(text.slice(start, end));
    from = end;
  }
  return kept + text.slice(from);
}

function after(expression: RegExp, text: string, from: number): Span | undefined {
  expression.lastIndex = from;
  const found = expression.exec(text);
  return found === null ? undefined : { start: found.index, end: found.index + found[0].length };
}
