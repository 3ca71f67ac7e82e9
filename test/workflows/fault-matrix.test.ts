// Every workflow that changes a fabric, failed at each of its steps with every kind of fault, and cancelled at each: it ends where it began.
// By default each step meets one kind on the simulated API server, each third step another kind on the real one, and each is cancelled on
// one of them; SKYFABRIC_FAULT_MATRIX=full runs each step with every kind on both.
import { Context } from '@temporalio/activity';
import type { RunKind, Runs } from '../../src/contract/runs';
import { readRegister } from '../../src/contract/read-register';
import type { FaultRule } from '../../src/playground/api-server/faults';
import { deployEcho } from '../../src/playground/simulated-cluster';
import { BACKEND } from '../support/backend';
import { FabricHarness, outcomeOf, uniqueFabric } from '../support/fabric';
import { describeStep, final, type StepName } from '../support/step-traps';
import { ORCHESTRATOR } from '../support/user-agent';

const FULL = process.env['SKYFABRIC_FAULT_MATRIX'] === 'full';
/** What is tried on this API server, where not everything is tried on both: the real one is slower. */
const isReal = BACKEND === 'real';
const isTurn = (index: number): boolean => FULL || (index % 3 === 1) === isReal;
const KINDS = [
  'error-before',
  'error-after',
  'reset',
  'reset-after',
  'hang',
  'conflict',
  'too-many',
  'server-error',
  'lost-after',
] as const;
type Kind = (typeof KINDS)[number];

const PEERS = ['east', 'west'];
const service = { name: 'echo', namespace: 'demo', port: 8080 };
const deadlines = { step: '20s', undo: '20s' };

let harness: FabricHarness;
let fabric: string;
beforeAll(async () => {
  harness = await FabricHarness.start(PEERS);
  await Promise.all(PEERS.map((name) => deployEcho(harness.simulated.cluster(name), { namespace: 'demo', name: 'unused', port: 8080 })));
  await deployEcho(harness.simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 });
}, 60_000);
// Hundreds of histories are scanned.
afterAll(() => harness.close(), 300_000);
afterEach(() => {
  harness.faults.clear();
  harness.traps.clear();
});

/** A workflow in a setting to which every failed run must return. */
interface Scenario<K extends RunKind> {
  readonly kind: K;
  readonly prepare: () => Promise<void>;
  readonly input: () => Runs[K]['input'];
  /** Takes a run that succeeded back. */
  readonly revert: () => Promise<unknown>;
}

const bootstrapped = async (): Promise<void> => {
  await harness.succeed('BootstrapFabric', harness.bootstrapRequest(fabric));
};
const connection = () => ({ fabric, service, from: ['west'], to: ['east'], deadlines });
const connected = async (): Promise<void> => {
  await bootstrapped();
  await harness.succeed('ConnectServiceAcrossClusters', connection());
};

const SCENARIOS: { readonly [title: string]: Scenario<RunKind> } = {
  'a first bootstrap': {
    kind: 'BootstrapFabric',
    prepare: async () => undefined,
    input: () => harness.bootstrapRequest(fabric),
    revert: () => harness.succeed('TeardownFabric', { fabric, deadlines }),
  },
  'a bootstrap that changes the gateways': {
    kind: 'BootstrapFabric',
    prepare: bootstrapped,
    input: () => ({ ...harness.bootstrapRequest(fabric), clusterlink: { tag: 'v0.4.2', dataplaneReplicas: 2 } }),
    revert: bootstrapped,
  },
  'a connection': {
    kind: 'ConnectServiceAcrossClusters',
    prepare: bootstrapped,
    input: connection,
    revert: () => harness.succeed('DisconnectService', { fabric, service: { name: 'echo', namespace: 'demo' }, deadlines }),
  },
  'a link': {
    kind: 'EstablishLink',
    prepare: async () => {
      await harness.succeed('BootstrapFabric', { ...harness.bootstrapRequest(fabric), links: { kind: 'none' } });
    },
    input: () => ({ fabric, peers: ['east', 'west'], deadlines }),
    revert: () => harness.succeed('TeardownLink', { fabric, peers: ['east', 'west'], deadlines }),
  },
  'a disconnection': {
    kind: 'DisconnectService',
    prepare: connected,
    input: () => ({ fabric, service: { name: 'echo', namespace: 'demo' }, deadlines }),
    revert: () => harness.succeed('ConnectServiceAcrossClusters', connection()),
  },
  'a forced teardown of a link': {
    kind: 'TeardownLink',
    prepare: connected,
    input: () => ({ fabric, peers: ['east', 'west'] as const as [string, string], force: true, deadlines }),
    revert: async () => {
      await harness.succeed('EstablishLink', { fabric, peers: ['east', 'west'], deadlines });
      await harness.succeed('ConnectServiceAcrossClusters', connection());
    },
  },
};

/** What must be as before after each run: every object of the fabric, what it asks for, who claims it, and the register but for the runs it lists. */
async function state(): Promise<object> {
  const register = await readRegister(harness.environment.client, fabric);
  return {
    inventory: await harness.inventory(fabric),
    register: register === undefined ? undefined : { ...register, runs: [] },
  };
}

/** The steps of a run that succeeds, each activity once, on alternating peers. */
async function stepsOf(scenario: Scenario<RunKind>): Promise<StepName[]> {
  harness.traps.clear();
  await harness.succeed(scenario.kind, scenario.input());
  const seen = [...harness.traps.seen];
  await scenario.revert();
  const activities = [...new Set(seen.map(({ activity }) => activity))];
  return activities.flatMap((activity, index) => {
    const places = seen.filter((step) => step.activity === activity);
    return places[index % places.length] ?? [];
  });
}

/** Lets a step meet a fault at every request from its first or second on, and makes whatever it fails with final. */
function arm(step: StepName, kind: Kind): void {
  harness.traps.set(step, async (proceed, call) => {
    // Undoing may need the same activity.
    if (call > 1) return proceed();
    const happensAnyway = kind.endsWith('-after');
    const rule: FaultRule | undefined =
      kind === 'lost-after' || step.peer === undefined
        ? undefined
        : {
            match: { server: step.peer, userAgent: ORCHESTRATOR },
            fault: kind,
            nth: happensAnyway ? 1 : 2,
            times: Infinity,
            retryAfterSeconds: 0,
          };
    const handle = rule === undefined ? undefined : harness.faults.add(rule);
    try {
      if (step.peer === undefined && !happensAnyway) throw new Error('lost before its effect');
      await proceed();
    } catch (error) {
      throw final(error);
    } finally {
      handle?.remove();
    }
    throw final(new Error('lost after its effect'));
  });
}

/** Steps after which nothing is undone any more: the run has done its work, and only tidies up. */
const TIDYING = ['settleGateway'];

describe.each(Object.entries(SCENARIOS))('%s', (_title, scenario) => {
  let steps: readonly StepName[];
  let before: object;
  /** Every object that the servers show, whoever made it. */
  let objects: string[];
  beforeAll(async () => {
    fabric = uniqueFabric();
    await scenario.prepare();
    steps = (await stepsOf(scenario)).filter(({ activity }) => !TIDYING.includes(activity));
    before = await state();
    objects = await harness.everything();
  }, 300_000);
  afterAll(async () => {
    const left = await readRegister(harness.environment.client, fabric);
    if (left !== undefined) await harness.succeed('TeardownFabric', { fabric, deadlines });
    expect(harness.simulated.clusters.flatMap((cluster) => cluster.incidents())).toEqual([]);
  }, 300_000);

  test('ends where it began, whatever step fails', async () => {
    const cases = steps.flatMap((step, index) => {
      if (FULL) return KINDS.map((kind) => ({ step, kind }));
      if (isReal && !isTurn(index)) return [];
      return [{ step, kind: KINDS[(2 * index + (isReal ? 1 : 0)) % KINDS.length] ?? 'lost-after' }];
    });
    for (const { step, kind } of cases) {
      arm(step, kind);
      const outcome = await harness.run(scenario.kind, scenario.input());
      harness.traps.clear();
      const told = `${describeStep(step)}, ${kind}`;
      expect({ told, failed: outcome.failure !== undefined, residue: outcome.failure?.details.rollback.residue }).toEqual({
        told,
        failed: true,
        residue: [],
      });
      expect({ told, ...(await state()) }).toEqual({ told, ...before });
      if (FULL) expect({ told, objects: await harness.everything() }).toEqual({ told, objects });
    }
    expect(await harness.everything()).toEqual(objects);
    process.stderr.write(`${scenario.kind}: ${cases.length} failed runs over ${steps.length} steps ended where they began\n`);
  }, 900_000);

  test('ends where it began, whatever step it is cancelled at', async () => {
    const chosen = steps.filter((_step, index) => isTurn(index));
    for (const step of chosen) {
      let begun: () => void = () => undefined;
      const reached = new Promise<void>((resolve) => (begun = resolve));
      harness.traps.set(step, async (proceed, call) => {
        if (call > 1) return proceed();
        begun();
        // The step ends its work first: so there is something to take back.
        const value = await proceed();
        // Cancellation arrives with a heartbeat.
        const context = Context.current();
        const beat = setInterval(() => context.heartbeat(), 100);
        await context.cancelled.catch(() => undefined).finally(() => clearInterval(beat));
        return value;
      });
      const run = await harness.begin(scenario.kind, scenario.input());
      await reached;
      await run.handle.cancel();
      const outcome = await outcomeOf(run);
      harness.traps.clear();
      const told = describeStep(step);
      if (outcome.result !== undefined) {
        // Cancelled at its last step, a run may as well end whole.
        expect(step).toEqual(steps.at(-1));
        await scenario.revert();
        continue;
      }
      expect({ told, cancelled: outcome.cancelled, failure: outcome.failure, result: outcome.result }).toEqual({ told, cancelled: true });
      expect({ told, ...(await state()) }).toEqual({ told, ...before });
      if (FULL) expect({ told, objects: await harness.everything() }).toEqual({ told, objects });
    }
    expect(await harness.everything()).toEqual(objects);
    process.stderr.write(`${scenario.kind}: ${chosen.length} cancelled runs ended where they began\n`);
  }, 900_000);
});

describe('the teardown of a fabric', () => {
  test('goes on where it stopped, whatever step fails', async () => {
    fabric = uniqueFabric();
    const bare = await harness.everything();
    await connected();
    harness.traps.clear();
    await harness.succeed('TeardownFabric', { fabric, deadlines });
    const steps = harness.traps.seen.filter(({ activity }) => !['readRegister', 'recordChange'].includes(activity));
    const seen = steps
      .filter((step, index) => steps.findIndex(({ activity }) => activity === step.activity) === index)
      .filter((_step, index) => isTurn(index));
    for (const [index, step] of seen.entries()) {
      await connected();
      arm(step, KINDS[(index * 2 + 1) % KINDS.length] ?? 'lost-after');
      const failed = await harness.run('TeardownFabric', { fabric, deadlines });
      harness.traps.clear();
      const told = describeStep(step);
      expect({ told, code: failed.failure?.code, left: failed.failure?.details.rollback.residue.length }).toEqual({
        told,
        code: 'residue',
        left: 1,
      });
      await harness.succeed('TeardownFabric', { fabric, deadlines });
      expect({ told, objects: await harness.everything() }).toEqual({ told, objects: bare });
    }
    process.stderr.write(`TeardownFabric: ${seen.length} failed runs were finished by the next\n`);
  }, 300_000);
});
