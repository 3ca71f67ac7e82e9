// How a run calls its activities: by the step's id, on the peer's own task queue where it has one, as patiently as the step is to be.
import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../src/contract/activities';
import { activityOptions, type Deadlines, type Patience } from './activity-options';
import type { Place } from './place';

/** @param id the activity's id @param summary what it does, in a few words, without the peer */
export type CallActivities = (id: string, summary: string, peer: Place | undefined, patience: Patience) => Activities;

export function callActivities(deadlines: Deadlines): CallActivities {
  return (id, summary, peer, patience) =>
    proxyActivities<Activities>({
      ...activityOptions(patience, deadlines),
      activityId: id,
      summary: peer === undefined ? summary : `${peer.name}: ${summary}`,
      ...(peer?.taskQueue === undefined ? {} : { taskQueue: peer.taskQueue }),
    });
}
