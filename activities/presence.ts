// Coming to work on a fabric's peers: told to its GuardFabric, and put off while runs that came before keep this one out.
import { Context } from '@temporalio/activity';
import { QueryNotRegisteredError, WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import type { Entry } from '../src/contract/activities';
import { enterSignal, leaveSignal, presentQuery } from '../src/contract/messages';
import { isPresent, runsBefore, type Departure, type Presence, type Taking } from '../src/contract/presence';
import { guardWorkflowId } from '../src/contract/workflow-ids';
import { FabricError } from '../src/errors/fabric-error';
import { tellTemporal } from './ask-temporal';
import { signalOrStartGuard } from './guard';

/** Asking costs a query: whoever waits should not wait much longer than it has to. */
const ASK_EVERY_MS = 1_000;

/** An attempt of a run that was terminated may write for so long after: the heartbeat timeout (tenure.ts). */
const LATEST_WRITE_MS = 20_000;

/** The run of this activity has come to be at work. @throws pending while others keep it out, with the first of them; unavailable */
export async function enterFabric(fabric: string, entry: Entry): Promise<void> {
  const { starts = false, settled: _, ...about } = entry;
  const own: Presence = { ...about, ...runOfActivity() };
  const first = await tellTemporal(registerOf(fabric), guardWorkflowId(fabric), async (client) => {
    const present = await tellGuard(client, fabric, own, starts);
    return firstAtWork(client, fabric, runsBefore(present, own));
  });
  if (first === undefined) return;
  throw new FabricError({
    code: 'pending',
    message: reasonOf(fabric, first, own),
    hint: `Run this again when it has ended, or end it with \`skyfabric cancel ${first.workflowId}\`; see \`skyfabric history --fabric ${fabric}\`.`,
    retryAfterMs: ASK_EVERY_MS,
  });
}

/** The run of this activity is not at work, and waits elsewhere. @throws unavailable */
export async function leaveFabric(fabric: string): Promise<void> {
  await tellTemporal(registerOf(fabric), guardWorkflowId(fabric), (client) => tellGone(client, fabric, runOfActivity()));
}

const registerOf = (fabric: string): string => `The register of fabric ${fabric}`;

function runOfActivity(): Departure {
  const { workflowId = '', runId = '' } = Context.current().info.workflowExecution ?? {};
  return { workflowId, runId };
}

function reasonOf(fabric: string, { workflowId, peers, leaves, takes }: Presence, own: Presence): string {
  const common = commonPeers(peers, own.peers);
  const where = common.length === 0 ? `fabric ${fabric}` : common.join(', ');
  if (leaves !== undefined) {
    const goes = common.length === 0 ? 'is being torn down' : common.length === 1 ? 'is leaving' : 'are leaving';
    return `${where} ${goes}: ${workflowId} comes first`;
  }
  if (own.leaves !== undefined) return `${workflowId} is still at work on ${where}, and nobody leaves meanwhile`;
  if (takes === undefined) return `${workflowId} is still at work on ${where}, and nothing is taken away there meanwhile`;
  return `${takenWords(takes)}: ${workflowId} comes first`;
}

function takenWords(takes: Taking): string {
  if ('service' in takes) return `${takes.service} is being disconnected`;
  if ('link' in takes) return `the link between ${takes.link.join(' and ')} is being taken down`;
  return 'what broken-off runs have left there is being removed';
}

/** Where two runs meet; none stands for all peers. */
function commonPeers(some: readonly string[], others: readonly string[]): readonly string[] {
  if (some.length === 0 || others.length === 0) return [...some, ...others];
  return some.filter((peer) => others.includes(peer));
}

/** @returns the runs at work, this one among them; none where there is no fabric, or its guard is of a version that keeps no account */
async function tellGuard(client: Client, fabric: string, own: Presence, starts: boolean): Promise<readonly Presence[]> {
  const { attempt } = Context.current().info;
  // Whoever asks again is known already: told again each time, the guard's history would grow.
  const known = attempt === 1 ? [] : await runsAtWork(client, fabric);
  if (isPresent(known, own)) return known;
  if (starts) await signalOrStartGuard(client, fabric, enterSignal, own);
  else await guardOf(client, fabric).signal(enterSignal, own).catch(ifNoGuard(undefined));
  return runsAtWork(client, fabric);
}

async function tellGone(client: Client, fabric: string, run: Departure): Promise<void> {
  const { workflowId, runId } = run;
  await guardOf(client, fabric).signal(leaveSignal, { workflowId, runId }).catch(ifNoGuard(undefined));
}

function guardOf(client: Client, fabric: string): WorkflowHandle {
  return client.workflow.getHandle(guardWorkflowId(fabric));
}

/** None where there is no fabric, or its guard keeps no account. */
async function runsAtWork(client: Client, fabric: string): Promise<readonly Presence[]> {
  return guardOf(client, fabric).query(presentQuery).catch(ifNoGuard([]));
}

function ifNoGuard<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof WorkflowNotFoundError || error instanceof QueryNotRegisteredError) return instead;
    throw error;
  };
}

/** The first of these runs that goes on. Those that do not, and could not say so (they were terminated), are forgotten. */
async function firstAtWork(client: Client, fabric: string, runs: readonly Presence[]): Promise<Presence | undefined> {
  for (const run of runs) {
    if (await isAtWork(client, run)) return run;
    await tellGone(client, fabric, run);
  }
  return undefined;
}

/** Whether a run goes on, or could not tell the steps that it had begun of its end yet. */
async function isAtWork(client: Client, { workflowId, runId }: Presence): Promise<boolean> {
  try {
    const { closeTime } = await client.workflow.getHandle(workflowId, runId).describe();
    // Both times are the server's.
    return closeTime === undefined || Context.current().info.currentAttemptScheduledTimestampMs < closeTime.getTime() + LATEST_WRITE_MS;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
