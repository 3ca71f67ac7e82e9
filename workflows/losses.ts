// What a run has taken from a connection that the register knows as whole, and nobody answers for any more. Pure.
import type { Register, RegisteredConnection } from '../src/contract/register';
import type { Loss } from '../src/contract/results';
import { connectWorkflowId } from '../src/contract/workflow-ids';
import { fateOf, isOwed, type Held, type Judgement, type Known } from './orphans';

/**
 * What a registered connection lacks by a claim that was narrowed. Nobody is at work on it, and nothing is owed; the register tells
 * what is meant, as whoever takes something away tells it before it ends. (A run that ended well may have come after one that did not.)
 */
export function lossOf(held: Held, { state, taker }: Judgement, { register, owed }: Pick<Known, 'register' | 'owed'>): Loss[] {
  const { peer, claim, by, run, changedBy } = held;
  const connection = register.connections.find(({ id }) => id === claim);
  if (changedBy === undefined || taker === undefined || connection === undefined) return [];
  if (state === 'running' || taker === 'running' || isOwed(held, owed)) return [];
  const pairs = missing(held, connection);
  if (pairs.length === 0) return [];
  return [{ peer, claim, by, changedBy, run, why: fateOf(taker), pairs, hint: hintFor(connection, register, changedBy) }];
}

function missing({ peer, sources, importers }: Held, { imports }: RegisteredConnection): Loss['pairs'] {
  const registered = Object.entries(imports).flatMap(([importer, from]) => from.map((source) => ({ importer, source })));
  return registered.filter(
    ({ importer, source }) =>
      (importer === peer && sources !== undefined && !sources.includes(source)) ||
      (source === peer && importers !== undefined && !importers.includes(importer)),
  );
}

/** The same request again makes all of it anew, and what was begun can be finished; which of them is meant, only people know. */
function hintFor({ workflowId, service, imports }: RegisteredConnection, { fabric }: Register, changedBy: string): string {
  const from = [...new Set(Object.values(imports).flat())];
  const to = Object.keys(imports);
  const { name, namespace, port } = service;
  const finish = `finish what ${changedBy} has begun by the same request again`;
  // One that was narrowed before is not known by its peers any more.
  if (connectWorkflowId({ fabric, service, from, to }) !== workflowId) {
    return `Connect the service again as ${workflowId} did, or ${finish}.`;
  }
  const command = `skyfabric connect ${name} -n ${namespace} --port ${port} --from ${from.join()} --to ${to.join()}`;
  return `Connect it again, with the flags that it had (\`${command}\`), or ${finish}.`;
}
