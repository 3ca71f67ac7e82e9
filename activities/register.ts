// The fabric's register, kept by its GuardFabric workflow: read by query, told by a signal that starts it when it does not run.
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import type { Steps } from '../src/contract/activities';
import { recordSignal } from '../src/contract/messages';
import { readRegister } from '../src/contract/read-register';
import { FABRIC_ATTRIBUTE } from '../src/contract/search-attributes';
import { guardWorkflowId } from '../src/contract/workflow-ids';
import { FabricError } from '../src/errors/fabric-error';

/** `readRegister`, `recordChange`, with the worker's own client. @throws unavailable */
export function registerActivities(): Pick<Steps, 'readRegister' | 'recordChange'> {
  return {
    async readRegister({ fabric }) {
      return ask(fabric, async (client) => {
        const register = await readRegister(client, fabric);
        return register === undefined ? {} : { register };
      });
    },

    async recordChange({ fabric, change }) {
      await ask(fabric, (client) =>
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

async function ask<T>(fabric: string, question: (client: Client) => Promise<T>): Promise<T> {
  const { client, cancellationSignal } = Context.current();
  try {
    return await question(client);
  } catch (cause) {
    cancellationSignal.throwIfAborted();
    throw new FabricError({
      code: 'unavailable',
      message: `The register of fabric ${fabric} does not answer.`,
      hint: `See \`temporal workflow describe --workflow-id ${guardWorkflowId(fabric)}\`, and whether a worker runs.`,
      cause,
    });
  }
}
