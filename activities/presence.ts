// Coming to work on a fabric's peers: told to its GuardFabric, and put off while runs that came before keep this one out.
import { Context } from '@temporalio/activity';
import { QueryNotRegisteredError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import type { Entry } from '../src/contract/activities';
import { enterSignal, leaveSignal, presentQuery } from '../src/contract/messages';
import { runsBefore, type Presence } from '../src/contract/presence';
import { FABRIC_ATTRIBUTE } from '../src/contract/search-attributes';
import { guardWorkflowId } from '../src/contract/workflow-ids';
import { FabricError } from '../src/errors/fabric-error';
import { tellTemporal } from './ask-temporal';

/** Where the run of this activity has come to be at work. @throws pending while others keep it out, with the first of them; unavailable */
export async function enterFabric(fabric: string, entry: Entry): Promise<void> {
  const { workflowExecution, taskQueue } = Context.current().info;
  const { workflowId = '', runId = '' } = workflowExecution ?? {};
  const { starts, despiteOwed: _, ...about } = entry;
  const own: Presence = { ...about, workflowId, runId };
  const first = await tellTemporal(`The register of fabric ${fabric}`, guardWorkflowId(fabric), async (client) => {
    const present = await tellGuard(client, { fabric, own, starts: starts === true, taskQueue });
    return firstAtWork(client, fabric, runsBefore(present, own));
  });
  if (first === undefined) return;
  throw new FabricError({
    code: 'pending',
    message: reasonOf(fabric, first, own),
    hint: `It is waited for; see \`skyfabric history --fabric ${fabric}\`, and end it with \`skyfabric cancel ${first.workflowId}\` if it should not go on.`,
    object: first.workflowId,
  });
}

function reasonOf(fabric: string, first: Presence, own: Presence): string {
  const { workflowId, leaves, takes, service } = first;
  const common = commonPeers(first.peers, own.peers);
  const where = common.length === 0 ? `fabric ${fabric}` : common.join(', ');
  if (leaves !== undefined) {
    const goes = common.length === 0 ? 'is being torn down' : common.length === 1 ? 'is leaving' : 'are leaving';
    return `${where} ${goes}: ${workflowId} goes on`;
  }
  if (own.leaves !== undefined) return `${workflowId} is still at work on ${where}, and nobody leaves meanwhile`;
  if (takes === 'service') return `${service ?? ''} is being disconnected: ${workflowId} goes on`;
  if (takes !== undefined) return `the link between ${takes.join(' and ')} is being taken down: ${workflowId} goes on`;
  return `${workflowId} is still at work on ${where}, and nothing is taken away there meanwhile`;
}

/** Where two runs meet; none stands for all peers. */
function commonPeers(some: readonly string[], others: readonly string[]): readonly string[] {
  if (some.length === 0 || others.length === 0) return [...some, ...others];
  return some.filter((peer) => others.includes(peer));
}

/** @returns the runs at work, this one among them; none where there is no fabric, or its guard is of a version that keeps no account */
async function tellGuard(
  client: Client,
  {
    fabric,
    own,
    starts,
    taskQueue,
  }: { readonly fabric: string; readonly own: Presence; readonly starts: boolean; readonly taskQueue: string },
): Promise<readonly Presence[]> {
  const guard = client.workflow.getHandle(guardWorkflowId(fabric));
  try {
    if (starts) {
      await client.workflow.signalWithStart('GuardFabric', {
        workflowId: guardWorkflowId(fabric),
        taskQueue,
        args: [{ fabric }],
        signal: enterSignal,
        signalArgs: [own],
        typedSearchAttributes: new TypedSearchAttributes([{ key: FABRIC_ATTRIBUTE, value: fabric }]),
        staticSummary: `Register of fabric ${fabric}`,
      });
    } else await guard.signal(enterSignal, own);
    return await guard.query(presentQuery);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError || error instanceof QueryNotRegisteredError) return [];
    throw error;
  }
}

/** The first of these runs that goes on. Those that do not, and could not say so (they were terminated), are forgotten. */
async function firstAtWork(client: Client, fabric: string, runs: readonly Presence[]): Promise<Presence | undefined> {
  for (const run of runs) {
    const { workflowId, runId } = run;
    const goesOn = await client.workflow
      .getHandle(workflowId, runId)
      .describe()
      .then(
        ({ status }) => status.name === 'RUNNING',
        (error: unknown) => {
          if (error instanceof WorkflowNotFoundError) return false;
          throw error;
        },
      );
    if (goesOn) return run;
    await client.workflow.getHandle(guardWorkflowId(fabric)).signal(leaveSignal, { workflowId, runId });
  }
  return undefined;
}
