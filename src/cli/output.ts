// Results on standard output, in the form that was asked for.
import { Document, visit } from 'yaml';
import type { TextOutput } from './text-output';
import { isPlain, plain } from '../errors/plain-text';

export const FORMATS = ['table', 'json', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

/** Prints a value: as `text()` for people, or whole for programs. */
export function printResult(output: TextOutput, format: Format, value: unknown, text: () => string): void {
  output.write(`${format === 'table' ? text() : structured(format, value)}\n`);
}

function structured(format: 'json' | 'yaml', value: unknown): string {
  // Neither leaves all control characters and hidden marks as escapes; the notation for them is plain()'s own.
  return plain(format === 'yaml' ? yamlText(JSON.parse(JSON.stringify(value))) : JSON.stringify(value, null, 2));
}

/** The value as YAML in which every text that is not plain is quoted, so that it can hold escapes. */
function yamlText(value: unknown): string {
  const document = new Document(value);
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'string' && !isPlain(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  return document.toString({ lineWidth: 0 }).trimEnd();
}
