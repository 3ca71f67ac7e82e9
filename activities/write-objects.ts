// Writing a gateway's objects, role bindings last: an API server lets only an administrator bind a role that its authorizer has not
// heard of, and that hears of a new role a moment after it was made.
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject } from '../src/kubernetes/kube-object';
import { isRoleMissing } from '../src/kubernetes/kubernetes-errors';
import { inParallel } from './in-parallel';

const ROLE_KNOWN_TIMEOUT_MS = 5_000;
const ROLE_KNOWN_PAUSE_MS = 50;

/** Does `write` for every object. @throws its first failure, once all have ended */
export async function writeObjects(
  objects: readonly KubeObject[],
  write: (object: KubeObject) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  const isBinding = ({ kind }: KubeObject): boolean => kind === 'RoleBinding' || kind === 'ClusterRoleBinding';
  await inParallel(
    objects.filter((object) => !isBinding(object)),
    write,
  );
  const deadline = Date.now() + ROLE_KNOWN_TIMEOUT_MS;
  await inParallel(objects.filter(isBinding), async (binding) => {
    for (;;) {
      try {
        return await write(binding);
      } catch (error) {
        if (!isRoleMissing(error) || Date.now() > deadline) throw error;
        await delay(ROLE_KNOWN_PAUSE_MS, undefined, { signal });
      }
    }
  });
}
