// What a verification has to prove: which imports of connections, and which directions of links.
import type { Register, RegisteredConnection } from '../src/contract/register';
import { FabricError } from '../src/errors/fabric-error';
import type { VerifyRequest } from '../src/model/requests';

/** Keeps one run's history below 10,000 events, also where every activity ends in a workflow task of its own. */
const MOST_PROOFS = 150;

/** A connection on one of its importing peers. */
export interface WantedImport {
  readonly connection: RegisteredConnection;
  readonly importer: string;
  readonly sources: readonly string[];
}

/** A link in one direction: pods on `from` call `to`. */
export interface Direction {
  readonly from: string;
  readonly to: string;
}

export interface WantedProofs {
  readonly imports: readonly WantedImport[];
  readonly directions: readonly Direction[];
  /** All peers on which something is done. */
  readonly peers: readonly string[];
}

/**
 * Reads from the register what a request is about: everything, or what its peers have part in, or its connections with their links.
 * @throws not_found for a connection that there is not; invalid when it is too much for one run
 */
export function wantedProofs(
  { fabric, links, connections }: Register,
  request: Pick<VerifyRequest, 'peers' | 'connections'>,
): WantedProofs {
  const known = connections.map(({ service }) => `${service.namespace}/${service.name}`);
  const unknown = (request.connections ?? []).filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new FabricError({
      code: 'not_found',
      message: `fabric ${fabric} connects no ${unknown.join(', ')}; ${known.length === 0 ? 'nothing is connected' : `connected are ${[...new Set(known)].sort().join(', ')}`}`,
      hint: 'Mend the name; services are connected with `skyfabric connect`.',
    });
  }
  const isAsked = (...peers: readonly string[]): boolean => request.peers?.some((peer) => peers.includes(peer)) ?? true;
  const imports = connections
    .filter(({ service }) => request.connections?.includes(`${service.namespace}/${service.name}`) ?? true)
    .flatMap((connection) =>
      Object.entries(connection.imports).flatMap(([importer, sources]) =>
        isAsked(importer, ...sources) ? [{ connection, importer, sources }] : [],
      ),
    );
  const carries = (one: string, other: string): boolean =>
    imports.some(({ importer, sources }) => importer === one && sources.includes(other));
  const directions = links
    .filter(({ a, b }) => isAsked(a, b) && (request.connections === undefined || carries(a, b) || carries(b, a)))
    .flatMap(({ a, b }): Direction[] => [
      { from: a, to: b },
      { from: b, to: a },
    ]);
  if (imports.length + directions.length > MOST_PROOFS) {
    throw new FabricError({
      code: 'invalid',
      message: `${imports.length} imports and ${directions.length / 2} links are too many for one run, which makes ${MOST_PROOFS} proofs at most`,
      hint: 'Name some of the peers (`--peer`) or connections, and verify the others after them.',
    });
  }
  const peers = new Set([...imports.map(({ importer }) => importer), ...directions.map(({ from }) => from)]);
  return { imports, directions, peers: [...peers].sort() };
}
