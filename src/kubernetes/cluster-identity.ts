// Whether a context leads to the cluster that is meant. People edit kubeconfigs: where a peer's context leads to another peer's cluster,
// whoever takes the one gateway away would take the other's, and would find nothing left to do where it leads to a bare one.
import { FabricError, isFabricError } from '../errors/fabric-error';
import { clusterUid } from './access';
import type { Cluster } from './cluster';
import { cleanText } from './kubernetes-errors';
import type { Connection } from './transport';

/** The cluster that a context must lead to. */
export interface Expected {
  readonly uid: string;
  /** The peer whose cluster it is, for messages. */
  readonly peer: string;
}

/** Which cluster a client talks to, as far as that was asked. */
export class ClusterIdentity {
  /** Only what was expected is kept: a cluster that is not the one meant is asked again, so that it is seen when that is mended. */
  private confirmed: string | undefined;

  /** @param where the kubeconfig that the client's context stands in */
  constructor(
    private readonly cluster: Cluster,
    private readonly where: string,
  ) {}

  /** Resolves when the client talks to the cluster that is meant. @throws conflict when it is another one; what a request throws */
  async confirm({ uid, peer }: Expected, signal: AbortSignal | undefined): Promise<void> {
    if (this.confirmed === uid) return;
    const found = await clusterUid(this.cluster, signal).catch((error: unknown) => {
      if (isFabricError(error, 'not_found')) return undefined;
      throw error;
    });
    if (found === uid) {
      this.confirmed = uid;
      return;
    }
    const other = found === undefined ? 'which has no namespace kube-system' : `where kube-system has the uid ${cleanText(found)}`;
    throw new FabricError({
      code: 'conflict',
      message:
        `Context ${cleanText(this.cluster.context)} of ${this.where} leads to another cluster than that of peer ${peer}: ` +
        `to ${this.cluster.server}, ${other} and not ${cleanText(uid)}.`,
      hint: `Mend the context; if the cluster was made anew, leave by \`skyfabric teardown --peer ${peer} --abandon\` and bootstrap the peer again.`,
      peer,
    });
  }
}

/** A connection over which nothing is asked or told before `confirm` resolves. */
export function confirmedFirst(connection: Connection, confirm: (signal: AbortSignal | undefined) => Promise<void>): Connection {
  return {
    server: connection.server,
    async send(request) {
      await confirm(request.signal);
      return connection.send(request);
    },
    async *stream(request) {
      await confirm(request.signal);
      yield* connection.stream(request);
    },
    retire: () => connection.retire(),
    close: () => connection.close(),
  };
}
