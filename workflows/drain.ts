// Between a source that leaves an import and the going of what it leads to.
import { sleep } from '@temporalio/workflow';
import { patched } from './patches';

/** How long a connection may take to be made over a source that has just left its import. */
const DRAIN_MS = 1_000;

/** Lets connections that are being made come about, before what they lead to goes: see docs/adr/0012-make-before-break.md. */
export async function drain(): Promise<void> {
  if (patched('drain')) await sleep(DRAIN_MS);
}
