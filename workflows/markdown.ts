// Texts in the Markdown that Temporal's UI shows: what clusters and people wrote is to be read there, and nothing else.

const LONGEST = 300;

/** A text as one cell of a table, bounded, in which nothing is a link, an image or HTML. */
export function cell(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/([|\\`<>*_[\]])/g, '\\$1')
    .slice(0, LONGEST);
}
