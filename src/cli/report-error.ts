// The one place where a failure is told to the person: what, where, why, and what to do next.
import { FabricError } from '../errors/fabric-error';
import { EXIT, type CliContext, type ExitCode } from './context';
import { paintFor } from './paint';
import { oneLine, plain } from '../errors/plain-text';

/** Prints a failure and says how the program ends. */
export function reportError({ stderr, env }: CliContext, error: unknown): ExitCode {
  const paint = paintFor(stderr, env);
  const known = error instanceof FabricError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  const lines = [`${paint('red', 'Error:')} ${known?.peer === undefined ? '' : `${oneLine(known.peer)}: `}${plain(message)}`];
  if (known?.object !== undefined) lines.push(`  Object: ${oneLine(known.object)}`);
  if (known?.hint !== undefined) lines.push(`  Hint: ${plain(known.hint)}`);
  if (known === undefined) lines.push('  Hint: This is a defect of Skyfabric: please report it, with what SKYFABRIC_DEBUG=1 adds.');
  if (env['SKYFABRIC_DEBUG'] && error instanceof Error) lines.push(plain(error.stack ?? ''));
  stderr.write(`${lines.join('\n')}\n`);
  return known?.code === 'invalid' ? EXIT.usage : EXIT.failed;
}
