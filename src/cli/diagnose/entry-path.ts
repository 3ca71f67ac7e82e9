// Where an entry stands in the archive. Names come from clusters and from Temporal, so none becomes a path as it is.
import { createHash } from 'node:crypto';

const LONGEST = 100;

/** The path of an entry: one folder a segment, each made harmless; different segments never become the same path. */
export function entryPath(segments: readonly string[]): string {
  return segments.map(safeSegment).join('/');
}

function safeSegment(segment: string): string {
  const safe = segment
    .slice(0, LONGEST)
    .replace(/[^A-Za-z0-9._+=@-]/g, '_')
    .replace(/^(?=[.-]|$)/, '_');
  if (safe === segment) return safe;
  return `${safe}-${createHash('sha256').update(segment).digest('hex').slice(0, 8)}`;
}
