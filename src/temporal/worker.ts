// Makes and runs Temporal workers. Process signals are left to the command line, which decides what Ctrl-C means.
import { once } from 'node:events';
import type { DataConverter } from '@temporalio/common';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { FabricError } from '../errors/fabric-error';
import { errorText } from './command';
import { connectClient, targetConverter, type TemporalTarget, temporalSettings } from './connection';

export interface WorkerSettings {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
  /** The functions by name, as createActivities makes them. */
  readonly activities: object;
  /** From connectWorker(); the bundle must be made for it. Default: payloads are not encrypted. */
  readonly dataConverter?: DataConverter;
  /** From workflowBundle(). Without one the worker runs activities only. */
  readonly workflowBundle?: WorkerOptions['workflowBundle'];
  /** Shown in the Temporal UI. Default: process id and host name. */
  readonly identity?: string;
  /** How long running activities may go on after a stop before they are cancelled. Default: 10 seconds. */
  readonly shutdownGraceTimeMs?: number;
  /** Each cached workflow holds memory, a MiB or two; those beyond are replayed when something happens to them. Default: 150. */
  readonly maxCachedWorkflows?: number;
}

export interface WorkerConnection {
  readonly connection: NativeConnection;
  readonly address: string;
  readonly namespace: string;
  /** How payloads are written and read. */
  readonly dataConverter: DataConverter;
  /** To be called after the last worker has stopped. */
  close(): Promise<void>;
}

/**
 * Connects for workers, to the same target and with the same errors as connectClient.
 *
 * @throws what connectClient throws.
 */
export async function connectWorker(target: TemporalTarget = {}): Promise<WorkerConnection> {
  const { address, namespace, connectionOptions } = temporalSettings(target);
  const dataConverter = await targetConverter(target);
  // A client says what is wrong; a worker's connection fails in the terms of its transport, or tries for ever.
  await (await connectClient(target)).close();
  try {
    const connection = await NativeConnection.connect(connectionOptions);
    return { connection, address, namespace, dataConverter, close: () => connection.close() };
  } catch (error) {
    throw new FabricError({
      code: 'unreachable',
      message: `a worker cannot connect to the Temporal server at ${address}: ${errorText(error)}`,
      hint: 'Check the TLS settings of the Temporal profile.',
      cause: error,
    });
  }
}

const HEARTBEAT_THROTTLE_MS = 1_000;

/** Makes a worker. It holds its connection until it has been run and stopped. */
export async function createWorker(settings: WorkerSettings): Promise<Worker> {
  const { shutdownGraceTimeMs = 10_000, maxCachedWorkflows = 150, workflowBundle, identity, ...rest } = settings;
  return Worker.create({
    ...rest,
    maxCachedWorkflows,
    shutdownGraceTime: shutdownGraceTimeMs,
    // Cancellation travels with heartbeats, which the SDK would otherwise hold back for most of their timeout.
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE_MS,
    ...(workflowBundle === undefined ? {} : { workflowBundle }),
    ...(identity === undefined ? {} : { identity }),
  });
}

/** Runs the worker until `stop` is aborted, and resolves when its activities have ended or handed back their tasks. */
export async function runWorker(worker: Worker, stop: AbortSignal): Promise<void> {
  await worker.runUntil(async () => {
    if (!stop.aborted) await once(stop, 'abort');
  });
}
