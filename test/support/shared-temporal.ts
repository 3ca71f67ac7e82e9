// How the global set-up hands Temporal on: to its tear-down through the global object, which both share, and to the
// tests through the environment, which every jest worker inherits.
import type { DevServer } from '../../src/temporal/dev-server';

type Provided = { readonly value: string } | { readonly problem: string };

export interface SharedTemporal {
  /** `host:port` of the dev server. */
  readonly address: Provided;
  /** File of the workflow bundle. */
  readonly bundlePath: Provided;
}

interface Kept {
  readonly directory: string;
  readonly server?: DevServer;
}

const VARIABLE = 'SKYFABRIC_TEST_TEMPORAL';
const shared = globalThis as { skyfabricTestTemporal?: Kept };

export function keepForTeardown(kept: Kept): void {
  shared.skyfabricTestTemporal = kept;
}

export function keptForTeardown(): Kept | undefined {
  return shared.skyfabricTestTemporal;
}

export function provideTemporal(temporal: SharedTemporal): void {
  process.env[VARIABLE] = JSON.stringify(temporal);
}

/** One part of what the global set-up made; throws what went wrong there. */
export function sharedTemporal(part: keyof SharedTemporal): string {
  const text = process.env[VARIABLE];
  if (text === undefined) throw new Error('jest was started without test/support/global-setup.ts');
  const provided = (JSON.parse(text) as SharedTemporal)[part];
  if ('problem' in provided) throw new Error(`the global set-up could not provide ${part}: ${provided.problem}`);
  return provided.value;
}
