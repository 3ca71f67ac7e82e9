// Text from clusters and from Temporal is never printed raw: whoever writes a pod's message must not steer the terminal.

// Control characters but line feed, and the marks that turn the direction of text or hide it.
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** The text with every control character but the line feed told as `\u001b`. */
export function plain(text: string): string {
  return text.replace(/\t/g, ' ').replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The same on one line. */
export function oneLine(text: string): string {
  return plain(text.replace(/\s+/g, ' ').trim());
}

/** The text as one word of a shell. */
export function shellWord(text: string): string {
  return /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
