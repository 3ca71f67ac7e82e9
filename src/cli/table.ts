// Text in columns.
import { oneLine } from '../errors/plain-text';

/** Lines in which each column is as wide as its widest cell, two spaces apart; an empty header row is left out. */
export function columns(rows: readonly (readonly string[])[], header?: readonly string[]): string[] {
  const all = (header === undefined ? rows : [header, ...rows]).map((row) => row.map(oneLine));
  const widths: number[] = [];
  for (const row of all) row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, width(cell))));
  return all.map((row) =>
    row
      .map((cell, index) => cell + ' '.repeat((widths[index] ?? 0) - width(cell)))
      .join('  ')
      .trimEnd(),
  );
}

/** Columns that a text takes, where each character takes one. */
export function width(text: string): number {
  return Array.from(text).length;
}

/** The text cut to a width, its end marked with an ellipsis. */
export function cut(text: string, columns: number): string {
  const characters = Array.from(text);
  return characters.length <= columns ? text : `${characters.slice(0, Math.max(columns - 1, 0)).join('')}…`;
}

/** A span of time for people: `0.4s`, `12s`, `3m 05s`, `2h 10m`. */
export function span(ms: number): string {
  const seconds = Math.max(ms, 0) / 1_000;
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return `${Math.floor(whole / 3_600)}h ${two(Math.floor((whole % 3_600) / 60))}m`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
