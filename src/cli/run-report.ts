// What is said of a run that did not end as wished, or that is left to itself.
import type { Problem, Residue, Rollback } from '../contract/status';
import type { TemporalTarget } from '../temporal/connection';
import type { Paint } from './paint';
import { oneLine, plain } from '../errors/plain-text';
import { shellWord } from './shell-word';

/** What went wrong and where, and what became of what was done. */
export function failureText(outcome: string, problem: Problem, rollback: Rollback | undefined, paint: Paint): string {
  const peer = problem.peer ?? rollback?.failedPeer;
  const place = [rollback?.failedStep, peer === undefined ? undefined : `on ${peer}`].filter((part) => part !== undefined).join(' ');
  const lines = [
    `${paint('red', outcome === 'cancelled' ? 'Cancelled' : 'Failed')}${place === '' ? '' : ` at ${oneLine(place)}`}: ${indented(problem.message)} [${problem.code}]`,
  ];
  if (problem.object !== undefined) lines.push(`  Object: ${oneLine(problem.object)}`);
  if (problem.hint !== undefined) lines.push(`  Hint: ${oneLine(problem.hint)}`);
  if (rollback !== undefined) lines.push(...rollbackLines(rollback, paint));
  return lines.join('\n');
}

/** What was undone, and the proof. */
export function rollbackLines(rollback: Rollback, paint: Paint): string[] {
  const { undone, inventories, residue } = rollback;
  if (undone.length === 0 && residue.length === 0 && Object.keys(inventories).length === 0) return ['  Nothing was touched.'];
  const counts = Object.entries(inventories).map(([peer, { before, after }]) => `${oneLine(peer)} ${before} before, ${after} after`);
  return [
    `  Undone: ${undone.length === 0 ? (residue.length === 0 ? 'nothing had to be' : 'nothing') : undone.map(oneLine).join(', ')}`,
    ...(counts.length === 0 ? [] : [`  Objects of the fabric: ${counts.join('; ')}`]),
    residue.length === 0 ? `  ${paint('green', 'Residue: none')}` : `  ${paint('red', 'Residue:')}`,
    ...residue.map(residueLine),
    ...(residue.some(({ owed }) => owed === true)
      ? ['  What is owed is tried again by itself until nothing is left; see `skyfabric cleanup`.']
      : []),
  ];
}

function residueLine({ peer, object, why, owed }: Residue): string {
  return `    ${peer === '' ? 'fabric' : oneLine(peer)}: ${oneLine(object)}: ${oneLine(why)}${owed === true ? ' (owed)' : ''}`;
}

/**
 * How to see to a run that nobody follows any more.
 * @param target as the flags gave it, for the commands to repeat
 */
export function leftText(workflowId: string, why: string, target: TemporalTarget): string {
  return [
    `${why} The run goes on: ${oneLine(workflowId)}`,
    `  Watch it:  ${watchCommand(workflowId, target)}`,
    `  Cancel it: skyfabric cancel ${oneLine(workflowId)}${flagsOf(target)}`,
  ].join('\n');
}

/** The command that shows a run to its end. */
export function watchCommand(workflowId: string, target: TemporalTarget): string {
  return `skyfabric status ${oneLine(workflowId)} --watch${flagsOf(target)}`;
}

/** Where to look when the proof of an undoing could not be read. */
export function unreadText(workflowId: string, target: TemporalTarget): string {
  return `  How it was undone could not be read; see \`skyfabric status ${oneLine(workflowId)}${flagsOf(target)}\``;
}

/** The flags that name the same server; what the environment says need not be repeated. */
function flagsOf({ address, namespace, profile, codecKeys, env }: TemporalTarget): string {
  const given = Object.entries({
    '--address': address,
    '--temporal-namespace': namespace,
    '--profile': profile,
    '--codec-keys': env?.['SKYFABRIC_CODEC_KEYS'] ? undefined : codecKeys,
  });
  return given.map(([flag, value]) => (value === undefined ? '' : ` ${flag} ${shellWord(oneLine(value))}`)).join('');
}

function indented(text: string): string {
  return plain(text).replace(/\n\s*/g, '\n    ');
}
