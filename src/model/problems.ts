// One way to read untrusted input: every problem at once, each with the place where it stands.
import type { z } from 'zod';
import { FabricError } from '../errors/fabric-error';

/**
 * Reads `input` with `schema`.
 * @param what names the input in the message, as `BootstrapFabric input`.
 * @throws FabricError `invalid` that lists every problem as `path: reason`, one a line
 */
export function parseAll<S extends z.ZodType>(schema: S, input: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => {
    const path = issue.path.map(String).join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  throw new FabricError({
    code: 'invalid',
    message: `${what} has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n  ${problems.join('\n  ')}`,
    hint: 'Mend what is listed and try again; nothing was touched.',
  });
}
