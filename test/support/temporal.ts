// Temporal for a test file: the shared dev server and workflow bundle of the global set-up.
import { randomUUID } from 'node:crypto';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { installRuntime } from '../../src/temporal/runtime';
import { createWorker } from '../../src/temporal/worker';
import { sharedTemporal } from './shared-temporal';

/** The shared dev server's `host:port`. */
export function testAddress(): string {
  return sharedTemporal('address');
}

/** The shared workflow bundle. */
export function testBundle(): { codePath: string } {
  return { codePath: sharedTemporal('bundlePath') };
}

/** A task queue that no other test listens on. */
export function uniqueTaskQueue(): string {
  return `test-${randomUUID()}`;
}

/** Connections to a dev server, by default the shared one; every file that takes one calls its `teardown()` in `afterAll`. */
export async function testEnvironment(address = testAddress()): Promise<TestWorkflowEnvironment> {
  installRuntime({ level: 'ERROR', write: (line) => process.stderr.write(`${line}\n`) });
  return TestWorkflowEnvironment.createFromExistingServer({ address });
}

export interface TestWorker {
  readonly taskQueue: string;
  readonly activities: object;
  /** Default: the shared bundle. */
  readonly workflowBundle?: { readonly codePath: string } | { readonly code: string };
}

/** Runs `body` while a worker runs, then stops the worker and returns what `body` returned. */
export async function withWorker<T>(environment: TestWorkflowEnvironment, worker: TestWorker, body: () => Promise<T>): Promise<T> {
  const { workflowBundle = testBundle(), ...rest } = worker;
  const running = await createWorker({
    ...rest,
    workflowBundle,
    connection: environment.nativeConnection,
    namespace: 'default',
    shutdownGraceTimeMs: 1_000,
  });
  return running.runUntil(body);
}
