// Whatever happens to any one request of a step: undoing it brings back exactly what was there before.
import type { KubeObject } from '../../../src/kubernetes/kube-object';
import type { FaultRule } from '../../../src/playground/api-server/faults';
import { ANYBODY, claimant, deployWeb, GATEWAYS, startBench, WEB, type Bench } from './bench';

const FAULTS: readonly FaultRule['fault'][] = ['error-before', 'error-after', 'reset-after', 'conflict', 'too-many'];
const EAST = { name: 'east', endpoint: { host: '192.0.2.1', port: 443 } };
const SOUTH = { name: 'south', endpoint: { host: '192.0.2.2', port: 443 } };

let bench: Bench;
beforeEach(async () => {
  bench = await startBench();
  await bench.startControlplane();
});
afterEach(() => bench.close());

type Act = (id: string, run: string) => Promise<unknown>;
const steps: Record<string, { readonly prepare: () => Promise<unknown>; readonly act: Act; readonly undo: Act }> = {
  ensurePeerings: {
    prepare: () => Promise.resolve(),
    act: (id, run) => bench.run('ensurePeerings', { claimant: claimant(id, run), peer: bench.peer, remotes: [EAST, SOUTH], probe: false }),
    undo: (id, run) =>
      bench.run('releasePeerings', {
        claimant: claimant(id, run),
        peer: bench.peer,
        scope: 'run',
        selection: { remotes: ['east', 'south'] },
      }),
  },
  ensureExport: {
    prepare: () => deployWeb(bench),
    act: (id, run) =>
      bench.run('ensureExport', { claimant: claimant(id, run), peer: bench.peer, service: WEB, importers: [run], adopt: false }),
    undo: (id, run) =>
      bench.run('releaseExports', { claimant: claimant(id, run), peer: bench.peer, scope: 'run', selection: { service: WEB } }),
  },
  ensureImport: {
    prepare: () => linkEast(),
    act: (id, run) =>
      bench.run('ensureImport', {
        claimant: claimant(id, run),
        peer: bench.peer,
        service: WEB,
        sources: run === 'first' ? ['east', 'south'] : ['south'],
        loadBalancing: 'static',
        merge: false,
        adopt: false,
      }),
    undo: (id, run) =>
      bench.run('releaseImports', { claimant: claimant(id, run), peer: bench.peer, scope: 'run', selection: { service: WEB } }),
  },
  ensureAccess: {
    prepare: () => Promise.resolve(),
    act: (id, run) =>
      bench.run('ensureAccess', {
        claimant: claimant(id, run),
        peer: bench.peer,
        service: WEB,
        sources: [run],
        importers: [run],
        access: ANYBODY,
        adopt: false,
      }),
    undo: async (id, run) => {
      await bench.run('releaseImports', { claimant: claimant(id, run), peer: bench.peer, scope: 'run', selection: { service: WEB } });
      await bench.run('releaseExports', { claimant: claimant(id, run), peer: bench.peer, scope: 'run', selection: { service: WEB } });
    },
  },
};

async function linkEast(): Promise<void> {
  for (const { name, endpoint } of [EAST, SOUTH]) {
    await bench.cluster.create({
      apiVersion: 'clusterlink.net/v1alpha1',
      kind: 'Peer',
      metadata: { name, namespace: GATEWAYS },
      spec: { gateways: [endpoint] },
    } as KubeObject);
  }
}

/** How many requests a step takes. */
async function requestsOf(act: () => Promise<unknown>): Promise<number> {
  bench.requests.length = 0;
  await act();
  return bench.requests.length;
}

/** Runs until it succeeds, as a retry policy would. */
async function insist(act: () => Promise<unknown>): Promise<void> {
  for (let attempts = 0; attempts < 5; attempts += 1) {
    try {
      await act();
      return;
    } catch (error) {
      if (attempts === 4) throw error;
    }
  }
}

// An object of its own, and one that another connection holds already, or that the same one has from an earlier run.
describe.each(['nothing', 'another connection', 'an earlier run'])('after %s', (before) => {
  test.each(Object.keys(steps))('%s is undone exactly, whichever request fails and however, also while undoing.', async (name) => {
    const step = steps[name];
    if (step === undefined) throw new Error(name);
    await step.prepare();
    if (before === 'another connection') await step.act('b', 'first');
    if (before === 'an earlier run') await step.act('a', 'first');
    const earlier = await bench.inventory();
    const count = await requestsOf(() => step.act('a', 'second'));
    const undoCount = await requestsOf(() => step.undo('a', 'second'));
    await expect(bench.inventory()).resolves.toEqual(earlier);
    for (let nth = 1; nth <= count; nth += 1) {
      const fault = FAULTS[nth % FAULTS.length] ?? 'error-after';
      const fired = bench.faults.add({ match: { userAgent: 'skyfabric', verb: /^(?!watch)/ }, fault, nth });
      const outcome = await step.act('a', 'second').then(
        () => 'done',
        () => 'failed',
      );
      expect(fired.fired()).toBe(1);
      fired.remove();
      const late = bench.faults.add({
        match: { userAgent: 'skyfabric', verb: /^(?!watch)/ },
        fault: 'reset-after',
        nth: (nth % undoCount) + 1,
      });
      await insist(() => step.undo('a', 'second'));
      late.remove();
      expect({ nth, fault, outcome, left: await bench.inventory() }).toEqual({ nth, fault, outcome, left: earlier });
    }
  });
});
