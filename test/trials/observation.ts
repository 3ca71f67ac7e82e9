// What a trial is judged by: the clusters as they are stored, the register, the runs, and what excuses what.
import { readRegister } from '../../src/contract/read-register';
import type { Register } from '../../src/contract/register';
import { FABRIC_LABEL, MANAGED_BY, MANAGED_BY_LABEL } from '../../src/kubernetes/claim-marks';
import { describeRef, refOf, type KubeObject } from '../../src/kubernetes/kube-object';
import { CLUSTERS, type ClusterName } from './schedule';
import type { Played } from './play';
import type { User } from './user';
import type { TrialWorker } from './worker';
import type { World } from './world';

/** The namespace of gateways. */
export const SYSTEM = 'clusterlink-system';

export interface Observation extends Played {
  readonly fabric: string;
  /** The fabric's own objects on each cluster. */
  readonly managed: Readonly<Record<ClusterName, readonly KubeObject[]>>;
  readonly register: Register | undefined;
  /** Ids of runs that ended well, of this trial and before. */
  readonly succeeded: ReadonlySet<string>;
  /** How the latest run of each request ended, by workflow id. */
  readonly latest: ReadonlyMap<string, boolean>;
  /** What the user did. */
  readonly user: Pick<User, 'touched' | 'brokenGateways' | 'disturbs' | 'differences'>;
  /** What stood beside the fabric before any trial, and is not as it was. */
  readonly foreign: readonly string[];
  readonly incidents: readonly string[];
}

/** @param foreign see Observation */
export async function observe(
  { worker, world, user }: { readonly worker: TrialWorker; readonly world: World; readonly user: User },
  played: Played,
  foreign: readonly string[],
): Promise<Observation> {
  const register = await readRegister(worker.environment.client, world.fabric);
  const { fabric, succeeded, latest } = world;
  return { ...played, fabric, managed: managedObjects(world), register, succeeded, latest, user, foreign, incidents: world.incidents() };
}

export function managedObjects(world: World): Record<ClusterName, readonly KubeObject[]> {
  const of = (cluster: ClusterName): readonly KubeObject[] =>
    world
      .objects(cluster)
      .filter(({ metadata: { labels = {} } }) => labels[MANAGED_BY_LABEL] === MANAGED_BY && labels[FABRIC_LABEL] === world.fabric);
  return { east: of('east'), south: of('south'), west: of('west'), north: of('north') };
}

/** Every managed object with its cluster and its name in full: `east: Import demo/echo`. */
export function eachManaged({ managed }: Observation): { cluster: ClusterName; object: KubeObject; name: string }[] {
  return CLUSTERS.flatMap((cluster) =>
    managed[cluster].map((object) => ({ cluster, object, name: `${cluster}: ${describeRef(refOf(object))}` })),
  );
}
