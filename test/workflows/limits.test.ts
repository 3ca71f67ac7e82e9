// What a worker holds to: its memory under many runs, an orderly stop, and a quick end of whatever waits when it is cancelled.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { temporal } from '@temporalio/proto';
import { startRun } from '../../src/temporal/runs';
import { deployEcho } from '../../src/playground/simulated-cluster';
import { FabricHarness, outcomeOf, uniqueFabric } from '../support/fabric';
import type { RememberingReport, RememberingSetup } from '../support/remembering-worker';
import { ORCHESTRATOR } from '../support/user-agent';
import { testAddress, testBundle, testEnvironment, uniqueTaskQueue } from '../support/temporal';

const RUNS = 200;
/** More runs than a worker keeps in its cache, at a MiB or two each. */
const MOST_BYTES = 1_024 * 2 ** 20;
/** Of Node's own heap: a worker that kept more would end with an error. */
const HEAP_MEGABYTES = 768;

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await testEnvironment();
});
afterAll(() => environment.teardown());

/** A worker whose `prepareGateway` waits. */
class RememberingWorker {
  held = 0;

  private constructor(readonly child: ChildProcess) {
    child.on('message', (report: RememberingReport) => {
      if ('held' in report) this.held = report.held;
    });
  }

  static async start(taskQueue: string): Promise<RememberingWorker> {
    const child = fork(join(__dirname, '../support/remembering-worker.ts'), {
      execArgv: [`--max-old-space-size=${HEAP_MEGABYTES}`, '--import', 'tsx'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const worker = new RememberingWorker(child);
    const setup: RememberingSetup = { address: testAddress(), taskQueue, bundlePath: testBundle().codePath, holds: 'prepareGateway' };
    child.send(setup);
    await once(child, 'message');
    return worker;
  }

  async mostRss(): Promise<number> {
    this.child.send('weigh');
    for (;;) {
      const [report] = (await once(this.child, 'message')) as [RememberingReport];
      if ('mostRss' in report) return report.mostRss;
    }
  }

  /** Asks it to stop, as an orchestrator of containers would. @returns its exit code */
  async stop(): Promise<number | null> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const [code] = (await ended) as [number | null];
    return code;
  }
}

const bootstrap = (fabric: string) => ({ fabric, peers: [{ name: 'west', context: 'kind-west' }], links: { kind: 'none' as const } });

test('two hundred runs at once fit into a bounded memory', async () => {
  const taskQueue = uniqueTaskQueue();
  const worker = await RememberingWorker.start(taskQueue);
  const runs = await Promise.all(
    Array.from({ length: RUNS }, () => startRun(environment.client, 'BootstrapFabric', bootstrap(`f-${randomUUID()}`), taskQueue)),
  );
  // The worker has fewer places for activities than there are runs; but every run has begun.
  for (const { handle } of runs) while ((await handle.describe()).historyLength <= 4) await delay(50);
  while (worker.held === 0) await delay(50);
  worker.child.send('release');
  const results = await Promise.all(runs.map(({ handle }) => handle.result()));
  expect(results).toHaveLength(RUNS);
  const bytes = await worker.mostRss();
  process.stderr.write(`a worker took at most ${Math.round(bytes / 2 ** 20)} MiB under ${RUNS} runs\n`);
  expect(bytes).toBeLessThan(MOST_BYTES);
  expect(await worker.stop()).toBe(0);
}, 180_000);

test('a worker that is told to stop ends the step it is at, and another goes on with the run at once', async () => {
  const taskQueue = uniqueTaskQueue();
  const first = await RememberingWorker.start(taskQueue);
  const run = await startRun(environment.client, 'BootstrapFabric', bootstrap(`f-${randomUUID()}`), taskQueue);
  while (first.held === 0) await delay(50);
  const stopped = first.stop();
  first.child.send('release');
  expect(await stopped).toBe(0);
  const second = await RememberingWorker.start(taskQueue);
  second.child.send('release');
  await run.handle.result();
  const { events } = await run.handle.fetchHistory();
  const attempts = (events ?? []).flatMap(({ activityTaskStartedEventAttributes: started }) => started?.attempt ?? []);
  expect(new Set(attempts)).toEqual(new Set([1]));
  expect(JSON.stringify(events)).not.toContain('"activityTaskTimedOutEventAttributes":{');
  await second.stop();
}, 90_000);

describe('a cancelled run', () => {
  /** From the request for its cancellation to the end of a step, by the server's clock, with what a busy machine adds. */
  const PROMISED_MS = 5_000;
  const service = { name: 'echo', namespace: 'demo', port: 8080 };
  let harness: FabricHarness;
  beforeAll(async () => {
    harness = await FabricHarness.start(['east', 'west']);
    await Promise.all(
      ['east', 'west'].map((name) => deployEcho(harness.simulated.cluster(name), { namespace: 'demo', name: 'unused', port: 8080 })),
    );
  }, 60_000);
  afterAll(() => harness.close(), 60_000);
  afterEach(() => harness.faults.clear());

  /** Cancels a run once this activity has begun, and tells how long each step then took to end. */
  async function endsAfter(run: Awaited<ReturnType<FabricHarness['begin']>>, activity: string): Promise<number[]> {
    const waits = async (): Promise<boolean> => {
      const { raw } = await run.handle.describe();
      return (raw.pendingActivities ?? []).some(
        ({ activityType, lastStartedTime }) => activityType?.name === activity && lastStartedTime != null,
      );
    };
    while (!(await waits())) await delay(50);
    await run.handle.cancel();
    await outcomeOf(run);
    return cancellationTimes((await run.handle.fetchHistory()).events ?? []);
  }

  test('stops waiting for an API server that never answers', async () => {
    harness.faults.add({ match: { server: 'east', userAgent: ORCHESTRATOR }, fault: 'hang', times: Infinity });
    const run = await harness.begin('BootstrapFabric', harness.bootstrapRequest(uniqueFabric()));
    const times = await endsAfter(run, 'preflight');
    expect(times.length).toBeGreaterThan(0);
    expect(Math.max(...times)).toBeLessThan(PROMISED_MS);
  }, 60_000);

  test('stops waiting for a gateway that never answers', async () => {
    const request = harness.bootstrapRequest(uniqueFabric(), ['east']);
    const peers = request.peers.map((peer) => ({ ...peer, ingress: { type: 'none' as const, host: '127.0.0.1', port: 9 } }));
    const run = await harness.begin('BootstrapFabric', { ...request, peers, links: { kind: 'none' } });
    const times = await endsAfter(run, 'awaitGateway');
    expect(times.length).toBeGreaterThan(0);
    expect(Math.max(...times)).toBeLessThan(PROMISED_MS);
  }, 60_000);

  test('stops waiting for a probe of a service that never answers', async () => {
    const fabric = uniqueFabric();
    await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
    await harness.simulated.cluster('west').client.create({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'echo', namespace: 'demo' },
      spec: { ports: [{ port: 8080 }] },
    } as never);
    const run = await harness.begin('ConnectServiceAcrossClusters', { fabric, service, from: ['west'], to: ['east'] });
    const times = await endsAfter(run, 'verifyConnection');
    expect(times.length).toBeGreaterThan(0);
    expect(Math.max(...times)).toBeLessThan(PROMISED_MS);
    await harness.succeed('TeardownFabric', { fabric });
  }, 60_000);
});

/** Milliseconds from each step's cancellation to its end, whatever that was. */
function cancellationTimes(events: readonly temporal.api.history.v1.IHistoryEvent[]): number[] {
  const at = (event: temporal.api.history.v1.IHistoryEvent): number =>
    Number(event.eventTime?.seconds ?? 0) * 1_000 + (event.eventTime?.nanos ?? 0) / 1e6;
  return events.flatMap((event) => {
    const scheduled = event.activityTaskCancelRequestedEventAttributes?.scheduledEventId;
    if (scheduled == null) return [];
    const end = events.find((other) =>
      [
        other.activityTaskCanceledEventAttributes,
        other.activityTaskCompletedEventAttributes,
        other.activityTaskFailedEventAttributes,
        other.activityTaskTimedOutEventAttributes,
      ].some((ended) => ended != null && Number(ended.scheduledEventId) === Number(scheduled)),
    );
    return end === undefined ? [Infinity] : [at(end) - at(event)];
  });
}
