// Text from clusters, from Temporal and from files is never told raw: whoever writes a pod's message must not steer the terminal.

/**
 * Control characters (C0, DEL, C1) but the line feed, and the marks that turn the direction of text, split lines or show nothing:
 * Unicode's categories Cc, Cf, Zl and Zp.
 */
const UNSAFE = /[^\n\P{Cc}]|\p{Cf}|\p{Zl}|\p{Zp}/gu;

/** The text with every unsafe character but the line feed told as `\u001b`; a tab becomes a space. */
export function plain(text: string): string {
  return text.replace(UNSAFE, (character) => (character === '\t' ? ' ' : escaped(character)));
}

/** The same on one line. */
export function oneLine(text: string): string {
  return plain(text.replace(/\s+/g, ' ').trim());
}

/** Whether `plain` would change the text. */
export function isPlain(text: string): boolean {
  return text.search(UNSAFE) < 0;
}

/** The text, cut to a number of characters with an ellipsis at its end. */
export function bounded(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** One escape for each UTF-16 unit, as JSON has it. */
function escaped(character: string): string {
  return character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
