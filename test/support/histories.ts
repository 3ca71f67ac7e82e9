// Saves histories for test/histories, from where every later version of the workflows must be able to replay them.
import { readdirSync, readFileSync } from 'node:fs';
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

const DIRECTORY = join(__dirname, '..', 'histories');

/** The histories of earlier versions: each file's name, what it holds, and the id of its workflow, by which a workflow knows its own claims. */
export function savedHistories(): [file: string, saved: { readonly history: unknown; readonly workflowId: string | undefined }][] {
  const files = readdirSync(DIRECTORY, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'));
  return files.map((file) => {
    const history = JSON.parse(readFileSync(join(DIRECTORY, file), 'utf8')) as {
      readonly events: readonly { readonly workflowExecutionStartedEventAttributes?: { readonly workflowId: string } }[];
    };
    return [file, { history, workflowId: history.events[0]?.workflowExecutionStartedEventAttributes?.workflowId }];
  });
}
