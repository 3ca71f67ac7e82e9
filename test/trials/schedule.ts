// A trial's schedule: what is asked for, what goes wrong, and at which moment. Plain data, drawn from a seed (draw-schedule.ts).
import type { FaultRule } from '../../src/playground/api-server/faults';

/** Members of the fabric that a trial begins with, the hub first; and a bare cluster that may join. */
export const MEMBERS = ['east', 'south', 'west'] as const;
export const NEWCOMER = 'north';
export const CLUSTERS = [...MEMBERS, NEWCOMER] as const;
export type ClusterName = (typeof CLUSTERS)[number];

/** Namespace of every service. */
export const NAMESPACE = 'demo';
/** Connected from west to east in every trial; the schedule leaves it alone where traffic is counted. */
export const STEADY = 'steady';

/** One request, without what is the same for all of a trial (fabric, deadlines). */
export type RunPlan =
  | {
      readonly kind: 'ConnectServiceAcrossClusters';
      readonly service: string;
      readonly from: Names;
      readonly to: Names;
      readonly merge: boolean;
      readonly verify: 'probe' | 'status';
    }
  | { readonly kind: 'DisconnectService'; readonly service: string; readonly from?: Names; readonly to?: Names }
  | { readonly kind: 'EstablishLink'; readonly peers: readonly [ClusterName, ClusterName] }
  | { readonly kind: 'TeardownLink'; readonly peers: readonly [ClusterName, ClusterName]; readonly force: boolean }
  | {
      readonly kind: 'BootstrapFabric';
      readonly peers: Names;
      readonly hub: ClusterName;
      readonly dataplaneReplicas: number;
      readonly onFailure: 'rollback' | 'keep-healthy';
    }
  | { readonly kind: 'TeardownFabric'; readonly peers?: Names; readonly force: boolean };
type Names = readonly ClusterName[];

/** What a user does beside us. `nth` chooses among what stands at that moment, in the order of names. */
export type UserAct =
  | {
      readonly act: 'delete' | 'edit' | 'drop-claim' | 'garble-claim' | 'drop-label' | 'annotate';
      readonly cluster: ClusterName;
      readonly kind: SharedKindName;
      readonly nth: number;
    }
  | { readonly act: 'put-own'; readonly cluster: ClusterName; readonly what: OwnObject }
  /** Any of a gateway's own objects: a Deployment, a Secret, the anchor … */
  | { readonly act: 'delete-part'; readonly cluster: ClusterName; readonly nth: number };
export type SharedKindName = 'Import' | 'Export' | 'AccessPolicy' | 'Peer';
export type OwnObject = 'ConfigMap' | 'Export' | 'Import' | 'AccessPolicy' | 'Service';

/**
 * When something happens, in terms of progress and not of time: after so many requests of the worker to a cluster, or when a run begins
 * its nth activity. What never comes (because less was asked than expected) happens once all that goes on has ended.
 */
export type Moment =
  | { readonly of: 'start' }
  | { readonly of: 'cluster'; readonly cluster: ClusterName; readonly requests: number }
  | { readonly of: 'run'; readonly run: number; readonly activities: number };

/** `requests`: so many requests. `runs`: until the runs that go on at its beginning have ended. `end`: for ever, as far as the trial goes. */
export type Until = { readonly of: 'requests'; readonly requests: number } | { readonly of: 'runs' } | { readonly of: 'end' };

export type Event =
  | { readonly do: 'run'; readonly run: number }
  | { readonly do: 'cancel'; readonly run: number }
  /** The worker does not reach a cluster's API server; its gateway goes on. */
  | { readonly do: 'partition'; readonly cluster: ClusterName; readonly how: 'hang' | 'reset'; readonly until: Until }
  /** The worker's token is answered 401, until the kubeconfig is written anew. */
  | { readonly do: 'expire-token'; readonly cluster: ClusterName; readonly until: Until }
  | { readonly do: 'user'; readonly user: UserAct };

/** A fault of an API server, keyed to the nth request that matches. */
export interface FaultPlan {
  readonly cluster: ClusterName;
  readonly fault: FaultRule['fault'];
  /** Absent: any. */
  readonly verb?: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';
  readonly nth: number;
  readonly times: number;
}

/** An activity whose worker is lost after it has done its work: Temporal tries it again. */
interface LossPlan {
  readonly run: number;
  readonly activity: number;
}

export interface Schedule {
  readonly seed: number;
  readonly trial: number;
  /** What it is mostly about. */
  readonly theme: Theme;
  /** Whether it begins with the whole fabric or with bare clusters. */
  readonly setting: 'fabric' | 'bare';
  readonly deadlines: { readonly step: string; readonly undo: string };
  readonly runs: readonly RunPlan[];
  readonly events: readonly { readonly when: Moment; readonly event: Event }[];
  readonly faults: readonly FaultPlan[];
  readonly losses: readonly LossPlan[];
  /** Every answer of these clusters to the worker is so late, in milliseconds. */
  readonly slowMs: Readonly<Partial<Record<ClusterName, number>>>;
  /** How far these clusters' clocks are ahead of the worker's (behind, when negative), in milliseconds. */
  readonly skewMs: Readonly<Partial<Record<ClusterName, number>>>;
  /** Whether requests go over the steady connection all the time. */
  readonly traffic: boolean;
  /** What is done with the histories afterwards. */
  readonly histories: 'left' | 'scanned' | 'replayed';
}
export type Theme = 'faults' | 'partition' | 'token' | 'user' | 'crowd' | 'cancel';

/** Whether anything in a schedule may rightly disturb the steady connection. */
export function touchesSteady({ runs, setting, events }: Schedule): boolean {
  const ends: readonly string[] = ['east', 'west'];
  const touches = (run: RunPlan): boolean => {
    switch (run.kind) {
      case 'TeardownLink':
        return run.force && run.peers.every((peer) => ends.includes(peer));
      case 'TeardownFabric':
        return run.peers?.some((peer) => ends.includes(peer)) ?? true;
      case 'BootstrapFabric':
        return run.dataplaneReplicas !== 1 && run.peers.some((peer) => ends.includes(peer));
      case 'ConnectServiceAcrossClusters':
      case 'DisconnectService':
        return run.service === STEADY;
      case 'EstablishLink':
        return false;
    }
  };
  const disturbs = (user: UserAct): boolean => user.act === 'delete-part' || ('kind' in user && user.kind === 'Peer');
  return setting === 'bare' || events.some(({ event }) => event.do === 'user' && disturbs(event.user)) || runs.some(touches);
}
