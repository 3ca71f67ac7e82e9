// A worker in a process of its own, so that it can be killed: its parent sends it orders, and it tells what steps it holds.
import { NativeConnection } from '@temporalio/worker';
import { createActivities } from '../../activities';
import { ClusterPool } from '../../src/kubernetes/cluster-pool';
import { AuthorityStore } from '../../src/pki/authority-store';
import { FileBackend } from '../../src/pki/file-backend';
import { installRuntime } from '../../src/temporal/runtime';
import { createWorker } from '../../src/temporal/worker';
import { ORCHESTRATOR } from './user-agent';
import { Holds, type Hold } from './holds';
import type { Order, Report, WorkerSetup } from './worker-process';

/** A request of a held step is not given up. */
const REQUEST_TIMEOUT_MS = 300_000;

const report = (message: Report): void => void process.send?.(message);
const holds = new Holds(
  (held) => report({ held }),
  (running) => report({ running }),
);

process.on('message', (order: Order) => {
  if ('setup' in order) void work(order.setup, order.holds);
  else if ('hold' in order) order.hold.forEach((hold) => holds.arm(hold));
  else if ('disarm' in order) order.disarm.forEach((hold) => holds.disarm(hold));
  else if ('letGo' in order) holds.letGo(order.letGo);
  else freeze();
});
// The parent is gone.
process.on('disconnect', () => process.exit());

async function work(setup: WorkerSetup, first: readonly Hold[]): Promise<void> {
  installRuntime({ level: 'ERROR', write: (line) => process.stderr.write(`${line}\n`) });
  first.forEach((hold) => holds.arm(hold));
  const worker = await createWorker({
    identity: `skyfabric-test-${process.pid}`,
    connection: await NativeConnection.connect({ address: setup.address }),
    namespace: 'default',
    taskQueue: setup.taskQueue,
    activities: holds.wrap(
      createActivities({
        clusters: new ClusterPool({ userAgent: ORCHESTRATOR, requestTimeoutMs: REQUEST_TIMEOUT_MS }),
        authorities: new AuthorityStore(new FileBackend(setup.keyDirectory)),
        releaseDirectory: setup.keyDirectory,
      }),
    ),
    workflowBundle: { codePath: setup.bundlePath },
    ...setup.tuning,
  });
  const running = worker.run();
  report({ ready: true });
  await running;
}

/**
 * Ends the `reported` steps, and stops this process's JavaScript for good as soon as it has handed their ends to the SDK, which tells
 * the server from threads of its own: so no workflow goes on from there.
 */
function freeze(): void {
  holds.letGo('reported');
  // What the SDK does between a step's end and handing it over takes turns of the microtask queue only.
  setImmediate(() => setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)));
}
