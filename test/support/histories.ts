// Saves histories for test/histories, from where every later version of the workflows must be able to replay them.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import type { temporal } from '@temporalio/proto';

/** Writes each history as `<workflow name>-<number>.json`, without the names of the machine that made it. */
export async function saveHistories(
  directory: string,
  histories: readonly { readonly history: temporal.api.history.v1.IHistory }[],
): Promise<void> {
  await mkdir(directory, { recursive: true });
  const counts = new Map<string, number>();
  for (const { history } of histories) {
    const name = history.events?.[0]?.workflowExecutionStartedEventAttributes?.workflowType?.name ?? 'unknown';
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const json = historyToJSON(history)
      .replace(/"identity":\s*"[^"]*"/g, '"identity": "skyfabric-test"')
      .replace(/"stackTrace":\s*"(?:[^"\\]|\\.)*"/g, '"stackTrace": ""');
    await writeFile(join(directory, `${name}-${count}.json`), `${JSON.stringify(JSON.parse(json))}\n`);
  }
}
