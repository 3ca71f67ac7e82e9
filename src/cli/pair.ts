// The two peers that `link` and `unlink` take.
import type { GivenFlags } from './run-command';

/** The two operands. */
export const PAIR = [
  { name: 'peer', description: 'one peer' },
  { name: 'other-peer', description: 'the other peer' },
] as const;

/** The request's part that they make; none when a file has it. */
export function pairFrom({ operands, problems }: GivenFlags): Record<string, unknown> {
  if (operands.length === 0) return {};
  if (operands.length === 1) problems.add('two peers must be named, as in `west east`', 'peers');
  return { peers: operands.length === 1 ? undefined : operands };
}
