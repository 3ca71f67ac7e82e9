// What activities work with, given to them once per worker; tests give their own.
import type { ClusterPool } from '../src/kubernetes/cluster-pool';
import type { AuthorityStore } from '../src/pki/authority-store';

export interface ActivityDeps {
  /** Clients of the clusters that this worker's kubeconfig reaches. */
  readonly clusters: ClusterPool;
  /** Where fabric authorities are kept. */
  readonly authorities: AuthorityStore;
  /** Directory in which ClusterLink releases are installed. */
  readonly releaseDirectory: string;
}
