// One way to read untrusted input: every problem at once, each with the place where it stands.
import type { z } from 'zod';
import { FabricError } from '../errors/fabric-error';
import { bounded, oneLine } from '../errors/plain-text';

/** Problems that are told; whoever has more has made one mistake many times. */
const MOST_PROBLEMS = 50;
const LONGEST_PROBLEM = 300;

/**
 * Reads `input` with `schema`.
 * @param what names the input in the message, as `BootstrapFabric input`.
 * @throws FabricError `invalid` that lists every problem (fifty at most) as `path: reason`, one a line
 */
export function parseAll<S extends z.ZodType>(schema: S, input: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const problems = issues.slice(0, MOST_PROBLEMS).map((issue) => {
    const path = issue.path.map(String).join('.');
    const reason = issue.code === 'invalid_key' ? issue.issues.map((inner) => inner.message).join('; ') : issue.message;
    return bounded(oneLine(path === '' ? reason : `${path}: ${reason}`), LONGEST_PROBLEM);
  });
  if (issues.length > problems.length) problems.push(`and ${issues.length - problems.length} more`);
  throw new FabricError({
    code: 'invalid',
    message: `${what} has ${issues.length === 1 ? 'a problem' : `${issues.length} problems`}:\n  ${problems.join('\n  ')}`,
    hint: 'Mend what is listed and try again; nothing was touched.',
  });
}

/**
 * For checks across fields: runs them although single fields are wrong, so that all problems are told at once.
 * @param isReady whether the value has enough shape for the check
 */
export function alsoWhenWrong(isReady: (value: unknown) => boolean): { when: (payload: { value: unknown }) => boolean } {
  return { when: ({ value }) => isReady(value) };
}

/** Whether a value is an object with fields. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
