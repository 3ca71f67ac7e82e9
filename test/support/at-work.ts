// What tests need that let runs meet: a thing that one waits for and another gives, and the runs that GuardFabric knows to be at work.
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { presentQuery } from '../../src/contract/messages';
import { guardWorkflowId } from '../../src/contract/workflow-ids';

/** Something that one waits for and another gives, once. */
export function signal(): { readonly given: Promise<void>; readonly give: () => void } {
  let give = (): void => undefined;
  const given = new Promise<void>((resolve) => (give = resolve));
  return { given, give };
}

/** Resolves when so many runs are at work on a fabric, or wait to be. */
export async function atWork(client: Client, fabric: string, count: number): Promise<void> {
  const guard = client.workflow.getHandle(guardWorkflowId(fabric));
  while ((await guard.query(presentQuery)).length < count) await delay(20);
}
