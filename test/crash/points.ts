// Where a run can be killed: found by letting it end once without harm, and once undone.
import type { temporal } from '@temporalio/proto';
import type { FaultHandle } from '../../src/playground/api-server/faults';
import type { FabricHarness } from '../support/fabric';
import type { Moment } from '../support/holds';
import { ORCHESTRATOR } from '../support/user-agent';
import type { Scenario } from './lane';

/** What becomes of the run besides being killed: nothing; its last step fails for good; it is cancelled where it is killed. */
export type Fate = 'goes on' | 'fails' | 'is cancelled';

/** Between which two things a run is killed. */
export type Point = { readonly fate: Fate } & (
  | { readonly activityId: string; readonly moment: Moment }
  /** While the worker waits for the answer to its nth write to this cluster, which is never carried out. */
  | { readonly cluster: string; readonly write: number }
);

/** What a run does. */
export interface Course {
  /** In the order of their beginnings. */
  readonly activityIds: readonly string[];
  /** How many writes it sends to each cluster. */
  readonly writes: ReadonlyMap<string, number>;
}

/** What a scenario's runs do. */
export interface Model {
  /** One that ends whole, and what stands then. */
  readonly whole?: Course & { readonly shape: object };
  /** One whose last step fails. */
  readonly undone?: Course;
}

/** Steps after which nothing is undone any more: the run has done its work, and only tidies up. */
const isTidying = (activityId: string): boolean => activityId.includes('/settle-gateway');
const isUndo = (activityId: string): boolean => activityId.endsWith('/undo');

/** Between these many writes to each cluster a run is killed; the same ones each time. */
const WRITES_OF_EACH = 6;

/** Every point of a scenario, as far as its model goes. */
export function pointsOf({ lastStep }: Scenario, { whole, undone }: Model): Point[] {
  const moments: readonly Moment[] = ['before', 'after', 'reported'];
  const at = (fate: Fate, activityIds: readonly string[]): Point[] =>
    activityIds.flatMap((activityId) => moments.map((moment) => ({ fate, activityId, moment })));
  const during = (fate: Fate, from: Course['writes'] | undefined, to: Course['writes']): Point[] =>
    [...to].flatMap(([cluster, count]) => {
      const first = (from?.get(cluster) ?? 0) + 1;
      const writes = Array.from({ length: Math.max(0, count - first + 1) }, (_, index) => first + index);
      return some(writes, WRITES_OF_EACH, 0).map((write) => ({ fate, cluster, write }));
    });
  const steps = (whole ?? undone)?.activityIds.filter((id) => !isUndo(id) && !isTidying(id)) ?? [];
  return [
    ...(whole === undefined ? [] : [...at('goes on', whole.activityIds), ...during('goes on', undefined, whole.writes)]),
    ...(undone === undefined ? [] : [...at('fails', undone.activityIds.filter(isUndo)), ...during('fails', whole?.writes, undone.writes)]),
    ...(lastStep === undefined ? [] : steps).map((activityId, index): Point => ({
      fate: 'is cancelled',
      activityId,
      moment: index % 2 === 0 ? 'after' : 'before',
    })),
  ];
}

/** Evenly spread over all, beginning elsewhere for each turn. */
export function some<T>(all: readonly T[], wanted: number, turn: number): T[] {
  const count = Math.min(wanted, all.length);
  return Array.from({ length: count }, (_, index) => all[Math.floor(((index + (turn % 5) / 5) * all.length) / count)] as T);
}

export function describePoint(point: Point): string {
  const where = 'write' in point ? `at write ${point.write} to ${point.cluster}` : `${point.moment} ${point.activityId}`;
  return point.fate === 'goes on' ? where : `${where}, a run that ${point.fate}`;
}

/** Counts the writes of the worker to each cluster until `end` is called. */
export function countWrites({ faults, simulated }: FabricHarness): { readonly end: () => Map<string, number> } {
  const counters = simulated.clusters.map(({ name }): [string, FaultHandle] => [
    name,
    // A fault that does nothing.
    faults.add({ match: { server: name, ...WRITES }, fault: 'slow', delayMs: 0, times: Infinity }),
  ]);
  return {
    end: () => {
      counters.forEach(([, counter]) => counter.remove());
      return new Map(counters.map(([name, counter]) => [name, counter.fired()]));
    },
  };
}

/** The worker's requests that change something, and its reviews of access and dry runs, which only look. */
export const WRITES = { method: /^(POST|PUT|PATCH|DELETE)$/, userAgent: ORCHESTRATOR };

/** The activities of a run, in the order in which they were scheduled. */
export function activityIdsIn({ events }: temporal.api.history.v1.IHistory): string[] {
  return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityId ?? []);
}
