// Says of every Export whether its Service exists. Source: ClusterLink v0.4.1: with a host nothing is looked at, and the port never is.
import type { Cluster } from '../../kubernetes/cluster';
import { refOf } from '../../kubernetes/kube-object';
import { keyOf, WorkQueue } from '../informer';
import type { ClusterView } from './cluster-view';
import { conditionChanges, withCondition } from './resources';

/** Keeps the condition `ExportValid`. */
export class ExportController {
  private readonly queue = new WorkQueue((key) => this.reconcile(key));
  private readonly unsubscribe: readonly (() => void)[];

  constructor(
    private readonly cluster: Cluster,
    private readonly view: ClusterView,
  ) {
    this.unsubscribe = [
      view.exports.onChange((object) => this.queue.add(keyOf(object))),
      view.services.onChange((object) => this.queue.add(keyOf(object))),
    ];
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.unsubscribe) unsubscribe();
    await this.queue.close();
  }

  private async reconcile(key: string): Promise<void> {
    const object = this.view.exports.get(key);
    if (object === undefined) return;
    const valid = object.spec.host !== undefined && object.spec.host !== '' ? true : this.view.services.get(key) !== undefined;
    const condition = valid
      ? ({ type: 'ExportValid', status: 'True', reason: 'Verified' } as const)
      : ({ type: 'ExportValid', status: 'False', reason: 'Error', message: `export service '${key}' does not exist` } as const);
    if (!conditionChanges(object.status?.conditions, condition)) return;
    await this.cluster.patchStatus(refOf(object), { status: { conditions: withCondition(object.status?.conditions, condition) } });
  }
}
