// Who leads among a namespace's control planes. One that goes away does not give its Lease back, so the next one leads only when that has
// run out. Source: ClusterLink v0.4.1, cmd/cl-controlplane/app/server.go; controller-runtime, its default of 15 s.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../../kubernetes/cluster';
import type { KubeObject, ObjectRef } from '../../kubernetes/kube-object';
import { isAlreadyExists } from '../../kubernetes/kubernetes-errors';

const LEASE_SECONDS = 15;

interface LeaseResource extends KubeObject {
  readonly spec?: { readonly holderIdentity?: string };
}

/** The Leases of one cluster's control planes. */
export class Leases {
  /** When the Lease of a namespace's last leader runs out. */
  private readonly ends = new Map<string, number>();
  private readonly aborted = new AbortController();

  /** @param secondMs how long a second of a Lease lasts */
  constructor(
    private readonly cluster: Cluster,
    private readonly secondMs: number,
  ) {}

  /** Makes the Lease, which nobody holds yet, unless there is one. */
  async ensure(namespace: string): Promise<void> {
    const lease = {
      ...leaseRef(namespace),
      metadata: { name: 'cl-controlplane', namespace },
      spec: { leaseDurationSeconds: LEASE_SECONDS },
    };
    await this.cluster.create(lease).catch((error: unknown) => {
      if (!isAlreadyExists(error)) throw error;
    });
  }

  /** The leader has gone without a word. */
  leave(namespace: string): void {
    this.ends.set(namespace, Date.now() + LEASE_SECONDS * this.secondMs);
  }

  /** Resolves when nobody holds the Lease any more: it has run out, or was removed and perhaps made anew. */
  async free(namespace: string): Promise<void> {
    const leftMs = (this.ends.get(namespace) ?? 0) - Date.now();
    if (leftMs <= 0) return;
    const lease = await this.cluster.get<LeaseResource>(leaseRef(namespace)).catch(() => undefined);
    if (lease?.spec?.holderIdentity === undefined) return;
    await sleep(leftMs, undefined, { signal: this.aborted.signal }).catch(() => undefined);
  }

  /** Lets a pod hold the Lease. */
  async take(namespace: string, pod: string): Promise<void> {
    this.ends.delete(namespace);
    // To the microsecond, as Kubernetes wants it.
    const now = new Date().toISOString().replace('Z', '000Z');
    const spec = { holderIdentity: `${pod}_${randomUUID()}`, acquireTime: now, renewTime: now, leaseDurationSeconds: LEASE_SECONDS };
    // Somebody may have removed it: who leads goes on all the same.
    await this.cluster.patch(leaseRef(namespace), { spec }).catch(() => undefined);
  }

  /** Lets nobody wait any longer. */
  close(): void {
    this.aborted.abort();
  }
}

function leaseRef(namespace: string): ObjectRef {
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', name: 'cl-controlplane', namespace };
}
