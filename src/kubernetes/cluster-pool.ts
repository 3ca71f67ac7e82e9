// The clients of all clusters that this process talks to: one for each kubeconfig and context, shared by all who ask.
import { Cluster } from './cluster';
import { ClusterIdentity, confirmedFirst } from './cluster-identity';
import { kubeconfigFiles, kubeconfigVersion, loadContext } from './kubeconfig';
import { Transport } from './transport';

/** Any single request is answered well within this; long waits are watches. */
const REQUEST_TIMEOUT_MS = 15_000;

/** A kubeconfig context, and the file it is looked up in (default: `$KUBECONFIG`, then `~/.kube/config`). */
export interface ClusterRef {
  readonly context: string;
  readonly kubeconfig?: string | undefined;
  /** Uid of the kube-system namespace of the cluster that the context must lead to; default any cluster. */
  readonly clusterUid?: string | undefined;
  /** The peer whose cluster it is, for messages; default the context. */
  readonly name?: string | undefined;
}

/** A client as the pool keeps it. */
interface Entry {
  readonly version: string;
  readonly transport: Transport;
  readonly cluster: Cluster;
  readonly identity: ClusterIdentity;
}

/** Settings shared by all clients of a pool. */
export interface ClusterPoolOptions {
  readonly userAgent?: string | undefined;
  /** Credential plugins of kubeconfigs that may be run, as `requireAllowed` takes them; default none. */
  readonly allowExec?: readonly string[] | undefined;
  /** How long a request may take in all; default 15 s. Watches have their own bound. */
  readonly requestTimeoutMs?: number | undefined;
}

/** One client, with its connections, for each kubeconfig and context; made again when a kubeconfig file changes. */
export class ClusterPool {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly options: ClusterPoolOptions = {}) {}

  /**
   * The client of a context. Of a cluster whose uid is given it asks nothing before it knows that it talks to that one: its requests throw
   * `conflict` otherwise. Here, because every activity gets its client here.
   * @throws not_found when there is no such file or context; invalid when the file is broken; forbidden when it needs a credential
   * plugin that is not allowed
   */
  cluster(ref: ClusterRef): Cluster {
    const { transport, cluster, identity } = this.entry(ref);
    const { clusterUid: uid, context, name: peer = context } = ref;
    if (uid === undefined) return cluster;
    return new Cluster(
      context,
      confirmedFirst(transport, (signal) => identity.confirm({ uid, peer }, signal)),
    );
  }

  private entry(ref: ClusterRef): Entry {
    const files = kubeconfigFiles(ref.kubeconfig);
    const key = JSON.stringify([ref.context, ...files]);
    const version = kubeconfigVersion(files);
    const known = this.entries.get(key);
    if (known?.version === version) return known;
    const { userAgent = 'skyfabric', requestTimeoutMs = REQUEST_TIMEOUT_MS, allowExec } = this.options;
    const config = loadContext(ref.context, ref.kubeconfig, allowExec);
    const transport = new Transport(config, { userAgent, requestTimeoutMs });
    const cluster = new Cluster(ref.context, transport);
    // As long-lived as the client: a context is made to lead elsewhere by a change of its kubeconfig.
    const entry = { version, transport, cluster, identity: new ClusterIdentity(cluster, files.join(', ')) };
    known?.cluster.retire();
    this.entries.set(key, entry);
    return entry;
  }

  /** Closes every connection; the pool can be used again afterwards. */
  close(): Promise<void> {
    for (const { cluster } of this.entries.values()) cluster.close();
    this.entries.clear();
    return Promise.resolve();
  }
}
