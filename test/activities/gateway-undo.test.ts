// Whatever write a run is cut off at, undoing it leads back to exactly what stood before.
import { claimantOf, startGatewayBench, type GatewayBench } from './gateway-bench';

let bench: GatewayBench;
beforeAll(async () => {
  bench = await startGatewayBench();
});
afterAll(() => bench.close());

const WRITE = { method: /^(POST|PUT|PATCH|DELETE)$/, path: /^(?!.*(dryRun|accessreviews))/, userAgent: 'skyfabric' };
const ONE = claimantOf('bootstrap-one', 'run-1');
const TWO = claimantOf('bootstrap-two', 'run-2');

/** Cuts `install` off at its nth write, for every n until it gets through, and undoes it each time. Returns how many writes it has. */
async function cutEverywhere(
  fault: 'reset' | 'reset-after',
  install: () => Promise<unknown>,
  undo: () => Promise<unknown>,
): Promise<number> {
  const [contents, inventory] = [await bench.contents(), await bench.inventory()];
  for (let nth = 1; ; nth += 1) {
    const cut = bench.faults.add({ match: WRITE, fault, nth, times: fault === 'reset' ? Infinity : 1 });
    const failure = await install().then(
      () => undefined,
      (error: unknown) => error,
    );
    bench.faults.clear();
    if (cut.fired() > 0) expect(failure).toBeDefined();
    await undo();
    expect({ nth, contents: await bench.contents() }).toEqual({ nth, contents });
    expect(await bench.inventory()).toEqual(inventory);
    if (cut.fired() === 0) return nth - 1;
  }
}

const undo = (claimant: typeof ONE) => () => bench.run('releaseGateway', { claimant, peer: bench.peer, scope: 'run' });

test('a first install, with every write cut off before it lands', async () => {
  expect(await cutEverywhere('reset', () => bench.install(ONE), undo(ONE))).toBeGreaterThan(20);
}, 120_000);

test('a first install, with every write landing unseen', async () => {
  expect(await cutEverywhere('reset-after', () => bench.install(ONE), undo(ONE))).toBeGreaterThan(20);
}, 120_000);

test('a removal that is cut off again and again goes on where it was', async () => {
  const contents = await bench.contents();
  await bench.install(ONE);
  let attempts = 0;
  for (let fired = 1; fired > 0; attempts += 1) {
    const cut = bench.faults.add({ match: WRITE, fault: 'reset-after', nth: 4 });
    await undo(ONE)().catch(() => undefined);
    fired = cut.fired();
    bench.faults.clear();
  }
  expect(attempts).toBeGreaterThan(3);
  expect(await bench.contents()).toBe(contents);
}, 60_000);

describe('on a gateway that stands', () => {
  beforeAll(async () => {
    await bench.install(ONE);
    await bench.run('settleGateway', { claimant: ONE, peer: bench.peer });
  });

  const change = {
    options: { tag: 'v0.4.2', controlplaneReplicas: 2 },
    peer: { ingress: { type: 'NodePort', nodePort: 30443 }, labels: { zone: 'a' } },
  } as const;

  test.each(['reset', 'reset-after'] as const)(
    'a change of another request, each write met by %s',
    async (fault) => {
      expect(await cutEverywhere(fault, () => bench.install(TWO, change), undo(TWO))).toBeGreaterThan(4);
    },
    60_000,
  );

  test.each(['reset', 'reset-after'] as const)(
    'a change of the same request by a later run, each write met by %s',
    async (fault) => {
      const later = { ...ONE, run: 'run-3' };
      expect(await cutEverywhere(fault, () => bench.install(later, change), undo(later))).toBeGreaterThan(4);
    },
    60_000,
  );

  test('a way in that was changed and put back is changed again', async () => {
    const contents = await bench.contents();
    const moved = { peer: { ingress: { type: 'LoadBalancer', port: 8443 } } } as const;
    await bench.install(TWO, moved);
    await undo(TWO)();
    expect(await bench.contents()).toEqual(contents);
    await bench.install(TWO, moved);
    await undo(TWO)();
    expect(await bench.contents()).toEqual(contents);
  }, 60_000);

  test('the undoing itself may be cut off anywhere, and goes on', async () => {
    const contents = await bench.contents();
    for (let nth = 1, fired = 1; fired > 0; nth += 1) {
      await bench.install(TWO, change);
      const cut = bench.faults.add({ match: WRITE, fault: 'reset-after', nth });
      await undo(TWO)().catch(() => undefined);
      fired = cut.fired();
      bench.faults.clear();
      await undo(TWO)();
      expect({ nth, contents: await bench.contents() }).toEqual({ nth, contents });
    }
  }, 60_000);
});
