// After all tests: ends what global-setup started.
import { rm } from 'node:fs/promises';
import { keptForTeardown } from './shared-temporal';

async function globalTeardown(): Promise<void> {
  const kept = keptForTeardown();
  await kept?.server?.close();
  if (kept !== undefined) await rm(kept.directory, { recursive: true, force: true });
}

// Jest takes the module itself as the function.
export = globalTeardown;
