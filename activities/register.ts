// The fabric's register, kept by its GuardFabric workflow: read by query, told by a signal that starts it when it does not run.
import { Context } from '@temporalio/activity';
import { TypedSearchAttributes } from '@temporalio/common';
import type { Steps } from '../src/contract/activities';
import { recordSignal } from '../src/contract/messages';
import { readOwed } from '../src/contract/read-owed';
import { readRegister } from '../src/contract/read-register';
import { FABRIC_ATTRIBUTE } from '../src/contract/search-attributes';
import { guardWorkflowId, settleWorkflowId } from '../src/contract/workflow-ids';
import { askTemporal, tellTemporal } from './ask-temporal';

/** `readRegister`, `recordChange`, with the worker's own client. @throws unavailable */
export function registerActivities(): Pick<Steps, 'readRegister' | 'recordChange'> {
  return {
    async readRegister({ fabric, withOwed = false }) {
      const [register, owed] = await Promise.all([
        askTemporal(`The register of fabric ${fabric}`, guardWorkflowId(fabric), (client) => readRegister(client, fabric)),
        withOwed ? askTemporal(`The cleanup of fabric ${fabric}`, settleWorkflowId(fabric), (client) => readOwed(client, fabric)) : [],
      ]);
      return { ...(register === undefined ? {} : { register }), ...(owed.length === 0 ? {} : { owed }) };
    },

    async recordChange({ fabric, change }) {
      await tellTemporal(`The register of fabric ${fabric}`, guardWorkflowId(fabric), (client) =>
        client.workflow.signalWithStart('GuardFabric', {
          workflowId: guardWorkflowId(fabric),
          // Register steps run on the workflows' own task queue.
          taskQueue: Context.current().info.taskQueue,
          args: [{ fabric }],
          signal: recordSignal,
          signalArgs: [change],
          typedSearchAttributes: new TypedSearchAttributes([{ key: FABRIC_ATTRIBUTE, value: fabric }]),
          staticSummary: `Register of fabric ${fabric}`,
        }),
      );
      return { changed: true };
    },
  };
}
