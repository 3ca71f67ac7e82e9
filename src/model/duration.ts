// Durations as people write them: `90s`, `5m`, `2h`.
import { z } from 'zod';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DURATION = /^(\d{1,9})(ms|s|m|h|d)$/;

/** Timers count milliseconds in 31 bits. */
const MOST_MS = 24 * UNITS.d;

/** A duration such as `90s`, read to milliseconds; more than nothing and at most 24 days. */
export const duration = z
  .string()
  .regex(DURATION, 'must be a duration such as "90s", "5m" or "2h"')
  .refine((text) => durationMs(text) !== 0, 'must be more than nothing')
  .refine((text) => durationMs(text) <= MOST_MS, 'must be at most 24d');

/** Milliseconds in a duration that `duration` has admitted. */
export function durationMs(text: string): number {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  return Number(amount) * UNITS[unit as keyof typeof UNITS];
}
