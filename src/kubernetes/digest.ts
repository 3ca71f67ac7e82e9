// Canonical JSON and its digest: two values that mean the same give the same text, whatever the order of their keys.
import { createHash } from 'node:crypto';

/** JSON with sorted keys; `undefined` fields are left out, as JSON does. */
export function canonicalJson(value: unknown): string {
  const sorted = (_key: string, field: unknown): unknown =>
    typeof field === 'object' && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field;
  return value === undefined ? 'null' : JSON.stringify(value, sorted);
}

/** SHA-256 of the canonical JSON, in hexadecimal. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}

/** Whether two values are the same as JSON. */
export function sameJson(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
