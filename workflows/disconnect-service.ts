// DisconnectService: a service is no longer reachable across clusters, wholly or between some peers.
import type { Register } from '../src/contract/register';
import type { DisconnectResult } from '../src/contract/results';
import { disconnectRequest } from '../src/model/requests';
import { takenBetween } from '../src/model/withdrawal';
import { membersOf, narrowedBy, record, runOf } from './recording';
import { asRun } from './run';
import { connectionsOf, observe, withdraw } from './withdrawing';

/** Input: `DisconnectRequest`. A service that is not connected is no error: the result says that nothing changed. */
export async function DisconnectService(input: unknown): Promise<DisconnectResult> {
  return asRun('DisconnectService', 'connection', disconnectRequest, input, async (run, request) => {
    const { fabric, service, from, to } = request;
    const { register, members } = await membersOf(run, [...(from ?? []), ...(to ?? [])]);
    const peers = peersOf(register, service, [...(from ?? []), ...(to ?? [])]);
    run.touches(peers, service);
    const holdings = await observe(
      run,
      peers.flatMap((name) => members.get(name) ?? []),
      { service },
    );
    const connections = connectionsOf(holdings);
    const taken = takenBetween(from, to);
    const removeLinks = await withdraw(run, holdings, connections, taken);
    const { changed } = run;
    const narrowed = narrowedBy(
      register,
      taken,
      connections.map(({ id }) => id),
    );
    run.beginStage();
    if (changed) await record(run, register, { ...narrowed, removeLinks, run: runOf('DisconnectService', request.reason) });
    return { fabric, service, changed, ended: narrowed.removeConnections, narrowed: narrowed.putConnections.map(({ id }) => id) };
  });
}

/** The peers that the register knows to hold something of the service, and those that the request names. */
function peersOf(register: Register, service: { readonly name: string; readonly namespace: string }, named: readonly string[]): string[] {
  const known = register.connections.filter(
    (connection) => connection.service.name === service.name && connection.service.namespace === service.namespace,
  );
  return [...new Set([...named, ...known.flatMap(({ imports }) => [...Object.keys(imports), ...Object.values(imports).flat()])])].sort();
}
