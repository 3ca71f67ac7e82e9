// The fabric's register, kept by its GuardFabric workflow: read by query, told by a signal that starts it when it does not run.
import { Context } from '@temporalio/activity';
import type { Steps } from '../src/contract/activities';
import { concerns, owedFor } from '../src/contract/debts';
import { recordSignal } from '../src/contract/messages';
import { readOwed } from '../src/contract/read-owed';
import { readRegister } from '../src/contract/read-register';
import { guardWorkflowId, settleWorkflowId } from '../src/contract/workflow-ids';
import { askTemporal, tellTemporal } from './ask-temporal';
import { signalOrStartGuard } from './guard';
import { enterFabric, leaveFabric } from './presence';

type Known = Omit<Awaited<ReturnType<Steps['readRegister']>>, 'entered'>;

/** `readRegister`, `recordChange`, with the worker's own client. @throws unavailable */
export function registerActivities(): Pick<Steps, 'readRegister' | 'recordChange'> {
  return {
    async readRegister({ fabric, withOwed = false, enter }) {
      const { workflowType } = Context.current().info;
      const read = async (): Promise<Known> => {
        const [register, found] = await Promise.all([
          askTemporal(`The register of fabric ${fabric}`, guardWorkflowId(fabric), (client) => readRegister(client, fabric)),
          withOwed ? askTemporal(`The cleanup of fabric ${fabric}`, settleWorkflowId(fabric), (client) => readOwed(client, fabric)) : [],
        ]);
        const owed = owedFor(workflowType, found);
        return { ...(register === undefined ? {} : { register }), ...(owed.length === 0 ? {} : { owed }) };
      };
      if (enter === undefined) return read();
      const { settled = enter.peers } = enter;
      const isOwed = ({ owed = [] }: Known): boolean => settled.length > 0 && owed.some(({ peers }) => concerns(peers, settled));
      let known = await read();
      if (!isOwed(known)) {
        await enterFabric(fabric, enter);
        // Those that it has waited for may have left something undone.
        known = await read();
        if (!isOwed(known)) return { ...known, entered: true };
      }
      // Whoever does it may have to be alone there: it must not be kept out by those that wait for it.
      await leaveFabric(fabric);
      return { ...known, entered: false };
    },

    async recordChange({ fabric, change }) {
      await tellTemporal(`The register of fabric ${fabric}`, guardWorkflowId(fabric), (client) =>
        signalOrStartGuard(client, fabric, recordSignal, change),
      );
      return { changed: true };
    },
  };
}
