// Read-modify-write under `resourceVersion`: the one loop in which a write that lost against another one is tried anew.
import { setTimeout as delay } from 'node:timers/promises';
import { FabricError } from '../errors/fabric-error';
import type { ObjectRef } from './kube-object';
import { describeRef } from './kube-object';
import { isAlreadyExists, isConflict } from './kubernetes-errors';

const MAX_ATTEMPTS = 12;
const MAX_PAUSE_MS = 50;

/**
 * Runs read-modify-write of one object until it does not lose against another writer; `again` says that it has to be done anew.
 * @throws unavailable when others keep changing the object; and what `attempt` throws
 */
export async function retryConflicts<R>(ref: ObjectRef, signal: AbortSignal | undefined, attempt: () => Promise<R | 'again'>): Promise<R> {
  for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts += 1) {
    // Writers that lost at the same moment must not meet again at the same moment.
    if (attempts > 0) await delay(Math.random() * MAX_PAUSE_MS, undefined, { signal });
    try {
      const result = await attempt();
      if (result !== 'again') return result;
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) throw error;
    }
  }
  const object = describeRef(ref);
  throw new FabricError({
    code: 'unavailable',
    message: `${object} was changed by others ${MAX_ATTEMPTS} times in a row.`,
    hint: 'Find out who keeps writing it (its `managedFields` say), and let only one do so; then try again.',
    object,
  });
}
