// DisconnectService: a service is no longer reachable across clusters, wholly or between some peers.
import { peersOfConnection, type Register, type RegisteredConnection } from '../src/contract/register';
import type { DisconnectResult } from '../src/contract/results';
import { disconnectRequest } from '../src/model/requests';
import { takenBetween } from '../src/model/withdrawal';
import { patched } from './patches';
import { membersFor, membersOf, narrowedBy, record, runOf } from './register';
import { asRun } from './run';
import { connectionsOf, observe, withdraw } from './withdrawing';

/** Input: `DisconnectRequest`. A service that is not connected is no error: the result says that nothing changed. */
export async function DisconnectService(input: unknown): Promise<DisconnectResult> {
  return asRun('DisconnectService', 'connection', disconnectRequest, input, async (run, request) => {
    const { fabric, service, from, to } = request;
    const named = [...(from ?? []), ...(to ?? [])];
    const connectionsIn = ({ connections }: Register): readonly RegisteredConnection[] =>
      connections.filter((connection) => isOf(connection, service));
    // A connection that the register was never told of is looked for everywhere.
    const peersIn = (fabric: Register): string[] => {
      const found = connectionsIn(fabric);
      return found.length === 0 ? fabric.peers.map(({ name }) => name) : peersOf(found, named);
    };
    const { register, members, owed } = patched('enters')
      ? await membersFor(run, named, { takes: { service: `${service.namespace}/${service.name}` } }, peersIn)
      : await membersOf(run, named);
    const known = connectionsIn(register);
    const peers = peersIn(register);
    run.touches(peers, service);
    await run.awaitSettled(owed, peers);
    const holdings = await observe(
      run,
      peers.flatMap((name) => members.get(name) ?? []),
      { service },
    );
    const connections = connectionsOf(holdings);
    const taken = takenBetween(from, to);
    const removeLinks = await withdraw(run, holdings, connections, taken);
    const { changed } = run;
    const ids = [...known, ...connections].map(({ id }) => id);
    const narrowed = narrowedBy(register, taken, ids);
    const isBehind = narrowed.removeConnections.length + narrowed.putConnections.length > 0;
    run.beginStage();
    if (changed || isBehind) await record(run, register, { ...narrowed, removeLinks, run: runOf('DisconnectService', request.reason) });
    return { fabric, service, changed, ended: narrowed.removeConnections, narrowed: narrowed.putConnections.map(({ id }) => id) };
  });
}

function isOf(connection: RegisteredConnection, { name, namespace }: { readonly name: string; readonly namespace: string }): boolean {
  return connection.service.name === name && connection.service.namespace === namespace;
}

/** The peers of the connections, and those that the request names. */
function peersOf(connections: readonly RegisteredConnection[], named: readonly string[]): string[] {
  return [...new Set([...named, ...connections.flatMap(peersOfConnection)])].sort();
}
