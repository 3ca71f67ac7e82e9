// Results on standard output, in the form that was asked for.
import { stringify } from 'yaml';
import type { TextOutput } from './context';
import { plain } from './plain';

export const FORMATS = ['table', 'json', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

/** Prints a value: as `text()` for people, or whole for programs. */
export function printResult(output: TextOutput, format: Format, value: unknown, text: () => string): void {
  output.write(`${format === 'table' ? text() : structured(format, value)}\n`);
}

function structured(format: 'json' | 'yaml', value: unknown): string {
  if (format === 'yaml') return plain(stringify(JSON.parse(JSON.stringify(value)), { lineWidth: 0 }).trimEnd());
  // JSON.stringify leaves DEL and C1 controls raw; the notation for them is plain()'s own.
  return plain(JSON.stringify(value, null, 2));
}
