// At every write to every cluster: each source of an import of ours has its Peer there. ClusterLink fails that source's share of the
// connections otherwise, at once and without failover.
import { FABRIC_LABEL, MANAGED_BY, MANAGED_BY_LABEL } from '../../src/kubernetes/claim-marks';
import { describeRef, refOf, type KubeObject } from '../../src/kubernetes/kube-object';
import type { ImportResource } from '../../src/clusterlink/resources';
import { CLUSTERS, type ClusterName } from './schedule';
import type { World } from './world';

/** What the fabric's imports on one cluster name, and what Peers there are. */
class Sources {
  private readonly imports = new Map<string, readonly string[]>();
  private readonly peers = new Set<string>();

  constructor(private readonly fabric: string) {}

  take(object: KubeObject, gone: boolean): void {
    const { name, labels = {} } = object.metadata;
    if (object.kind === 'Peer') {
      if (gone) this.peers.delete(name);
      else this.peers.add(name);
    }
    if (object.kind !== 'Import') return;
    const isOurs = labels[MANAGED_BY_LABEL] === MANAGED_BY && labels[FABRIC_LABEL] === this.fabric;
    const key = describeRef(refOf(object));
    if (gone || !isOurs) this.imports.delete(key);
    else
      this.imports.set(
        key,
        (object as ImportResource).spec.sources.map(({ peer }) => peer),
      );
  }

  /** `Import namespace/name` and the source that has no Peer. */
  missing(): (readonly [string, string])[] {
    return [...this.imports].flatMap(([key, sources]) =>
      sources.filter((source) => !this.peers.has(source)).map((source) => [key, source] as const),
    );
  }
}

/** Sees every write, until it is stopped. */
export class SourceWatch {
  private readonly seen = new Set<string>();
  private readonly stops: (() => void)[];

  /** @param onMissing told once of each import and source whose Peer is missing */
  constructor(world: World, onMissing: (cluster: ClusterName, importObject: string, source: string) => void) {
    this.stops = CLUSTERS.map((cluster) => {
      const sources = new Sources(world.fabric);
      for (const object of world.objects(cluster)) sources.take(object, false);
      const look = (): void => {
        for (const [key, source] of sources.missing()) {
          const id = `${cluster} ${key} ${source}`;
          if (this.seen.has(id)) continue;
          this.seen.add(id);
          onMissing(cluster, key, source);
        }
      };
      look();
      return world.onWrite(cluster, (event) => {
        if (event.object.kind !== 'Import' && event.object.kind !== 'Peer') return;
        sources.take(event.object, event.type === 'DELETED');
        look();
      });
    });
  }

  stop(): void {
    for (const stop of this.stops) stop();
  }
}
