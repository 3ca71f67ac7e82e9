// Telling a fabric's GuardFabric, which is started when it does not run.
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { TypedSearchAttributes, type SignalDefinition } from '@temporalio/common';
import { FABRIC_ATTRIBUTE } from '../src/contract/search-attributes';
import { guardWorkflowId } from '../src/contract/workflow-ids';

/** Signals the guard, and starts it first when it does not run, on the task queue of this activity: register steps run on the workflows' own. */
export async function signalOrStartGuard<T>(client: Client, fabric: string, signal: SignalDefinition<[T]>, told: T): Promise<void> {
  await client.workflow.signalWithStart('GuardFabric', {
    workflowId: guardWorkflowId(fabric),
    taskQueue: Context.current().info.taskQueue,
    args: [{ fabric }],
    signal,
    signalArgs: [told],
    typedSearchAttributes: new TypedSearchAttributes([{ key: FABRIC_ATTRIBUTE, value: fabric }]),
    staticSummary: `Register of fabric ${fabric}`,
  });
}
