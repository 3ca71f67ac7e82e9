// The clients of all clusters that this process talks to: one for each kubeconfig and context, shared by all who ask.
import { Cluster } from './cluster';
import { kubeconfigFiles, kubeconfigVersion, loadContext } from './kubeconfig';
import { Transport } from './transport';

/** Any single request is answered well within this; long waits are watches. */
const REQUEST_TIMEOUT_MS = 15_000;

/** A kubeconfig context, and the file it is looked up in (default: `$KUBECONFIG`, then `~/.kube/config`). */
export interface ClusterRef {
  readonly context: string;
  readonly kubeconfig?: string | undefined;
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
  private readonly entries = new Map<string, { readonly version: string; readonly cluster: Cluster }>();

  constructor(private readonly options: ClusterPoolOptions = {}) {}

  /**
   * The client of a context.
   * @throws not_found when there is no such file or context; invalid when the file is broken; forbidden when it needs a credential
   * plugin that is not allowed
   */
  cluster(ref: ClusterRef): Cluster {
    const files = kubeconfigFiles(ref.kubeconfig);
    const key = JSON.stringify([ref.context, ...files]);
    const version = kubeconfigVersion(files);
    const known = this.entries.get(key);
    if (known?.version === version) return known.cluster;
    const { userAgent = 'skyfabric', requestTimeoutMs = REQUEST_TIMEOUT_MS, allowExec } = this.options;
    const config = loadContext(ref.context, ref.kubeconfig, allowExec);
    const cluster = new Cluster(ref.context, new Transport(config, { userAgent, requestTimeoutMs }));
    known?.cluster.retire();
    this.entries.set(key, { version, cluster });
    return cluster;
  }

  /** Closes every connection; the pool can be used again afterwards. */
  close(): Promise<void> {
    for (const { cluster } of this.entries.values()) cluster.close();
    this.entries.clear();
    return Promise.resolve();
  }
}
