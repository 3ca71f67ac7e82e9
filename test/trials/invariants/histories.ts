// Histories hold no secret, and replay on the code that made them.
import { Worker } from '@temporalio/worker';
import { findSecretIn } from '../../support/secrets';
import { testBundle } from '../../support/temporal';
import type { EndedRun } from '../runs';
import type { Schedule } from '../schedule';
import type { TrialWorker } from '../worker';

export async function checkHistories(
  { environment }: TrialWorker,
  runs: readonly EndedRun[],
  how: Schedule['histories'],
): Promise<string[]> {
  if (how === 'left') return [];
  const begun = new Map(runs.filter(({ runId }) => runId !== '').map((run) => [run.runId, run]));
  const histories = await Promise.all(
    [...begun.values()].map(async ({ workflowId, runId }) => ({
      workflowId,
      history: await environment.client.workflow.getHandle(workflowId, runId).fetchHistory(),
    })),
  );
  const told = histories.flatMap(({ workflowId, history }) => {
    const secret = findSecretIn(history);
    return secret === undefined ? [] : [`the history of ${workflowId} holds ${secret}`];
  });
  if (how === 'scanned') return told;
  // In a thread: what a replay hooks into promises would slow every other trial of this process.
  const options = { workflowBundle: testBundle(), debugMode: false };
  for await (const { workflowId, error } of Worker.runReplayHistories(options, histories)) {
    if (error !== undefined) told.push(`${workflowId} does not replay: ${error.message}`);
  }
  return told;
}
