// A lane: two clusters of its own and one fabric on them, in the state in which a scenario begins. Lanes know nothing of each other, so one
// worker's death can be met by many runs at once, each at another point.
import { setTimeout as delay } from 'node:timers/promises';
import { readRegister } from '../../src/contract/read-register';
import type { Register } from '../../src/contract/register';
import type { RunKind, Runs } from '../../src/contract/runs';
import { takeInventory } from '../../src/kubernetes/inventory';
import { deployClient, deployEcho } from '../../src/playground/simulated-cluster';
import { Standstill } from '../support/standstill';
import { FabricHarness, uniqueFabric, type WorkerElsewhere } from '../support/fabric';

const PEERS = ['east', 'west'] as const;
const DEADLINES = { step: '5m', undo: '5m' };
const SERVICE = { name: 'echo', namespace: 'demo' };
const URL = 'http://echo.demo.svc:8080/';
/** How a call fails whose service is not there. */
const NOT_SERVED = /the name is unknown|connection refused/;

export class Lane {
  /** A fabric that no other lane has. */
  fabric = uniqueFabric();
  private readonly standstill = new Standstill();
  /** The scenario at whose beginning the fabric is. */
  private at: Scenario | undefined;

  private constructor(
    readonly harness: FabricHarness,
    /** What stood before any fabric. */
    private readonly bare: readonly string[],
  ) {}

  static async open(worker: WorkerElsewhere): Promise<Lane> {
    const harness = await FabricHarness.start(PEERS, 'worker', { elsewhere: worker });
    await Promise.all([
      deployClient(harness.simulated.cluster('east'), { namespace: 'demo', name: 'frontend' }),
      deployEcho(harness.simulated.cluster('west'), { namespace: 'demo', name: 'echo', port: 8080 }),
    ]);
    return new Lane(harness, await harness.everything());
  }

  /** Takes the fabric down, makes sure that nothing is left of any, and ends the clusters. */
  async close(): Promise<void> {
    const { harness } = this;
    try {
      await this.leave();
      expect(await harness.everything()).toEqual(this.bare);
      expect(harness.simulated.clusters.flatMap((cluster) => cluster.incidents())).toEqual([]);
    } finally {
      this.standstill.stop();
      await harness.close();
    }
  }

  /** Brings the fabric to where the scenario begins. */
  async enter(scenario: Scenario): Promise<void> {
    if (this.at === scenario) return;
    await this.leave();
    await scenario.prepare(this);
    this.at = scenario;
  }

  /** Takes the fabric down; the next one is another. */
  async leave(): Promise<void> {
    if ((await persistently(() => this.register())) !== undefined) {
      await this.harness.succeed('TeardownFabric', this.teardownRequest());
    }
    this.fabric = uniqueFabric();
    this.at = undefined;
  }

  /** What must be as before after a run that did not succeed: every object of the fabric and of everybody else, and the register but for the runs it lists. */
  async state(): Promise<object> {
    const { harness, fabric } = this;
    const [register, inventory, everything] = await persistently(() =>
      Promise.all([this.register(), harness.inventory(fabric), harness.everything()]),
    );
    return { register: register === undefined ? undefined : { ...register, runs: [] }, inventory, everything };
  }

  /** What stands, without what differs between one fabric and another: names, and kinds of claims. The same for every run of a scenario that ended whole. */
  async shape(): Promise<object> {
    const { fabric } = this;
    const [register, objects] = await persistently(() => Promise.all([this.register(), this.claimedObjects()]));
    const general = (text: string): string => text.replaceAll(fabric, 'FABRIC').replace(/-[0-9a-f]{12}\b/g, '-DIGEST');
    return {
      objects: objects.map(general).sort(),
      peers: register?.peers.map(({ name }) => name),
      links: register?.links,
      connections: register?.connections.map(({ service, imports }) => ({ service, imports })),
    };
  }

  /**
   * What a client of the connected service hears: the cluster that answers, or `refused`, or what else is wrong. Calls again when this process,
   * in which the clusters are, stood still meanwhile: then it says nothing that nobody answered in time.
   */
  async callService(): Promise<string> {
    const client = this.harness.simulated.cluster('east');
    for (let calls = 1; ; calls += 1) {
      const begun = this.standstill.now();
      try {
        const { body } = await client.fetchFrom({ namespace: 'demo', name: 'frontend' }, URL);
        return (JSON.parse(body) as { cluster: string }).cluster;
      } catch (error) {
        if (NOT_SERVED.test(String(error))) return 'refused';
        if (calls === MOST_CALLS || !this.standstill.since(begun)) return String(error);
      }
    }
  }

  bootstrapRequest(): Runs['BootstrapFabric']['input'] {
    return { ...this.harness.bootstrapRequest(this.fabric), deadlines: DEADLINES };
  }

  connectRequest(): Runs['ConnectServiceAcrossClusters']['input'] {
    return { fabric: this.fabric, service: { ...SERVICE, port: 8080 }, from: ['west'], to: ['east'], deadlines: DEADLINES };
  }

  disconnectRequest(): Runs['DisconnectService']['input'] {
    return { fabric: this.fabric, service: SERVICE, deadlines: DEADLINES };
  }

  linkRequest(): Runs['EstablishLink']['input'] {
    return { fabric: this.fabric, peers: [...PEERS], deadlines: DEADLINES };
  }

  unlinkRequest(): Runs['TeardownLink']['input'] {
    return { fabric: this.fabric, peers: [...PEERS], force: true, deadlines: DEADLINES };
  }

  teardownRequest(): Runs['TeardownFabric']['input'] {
    return { fabric: this.fabric, deadlines: DEADLINES };
  }

  verifyRequest(): Runs['VerifyFabric']['input'] {
    return { fabric: this.fabric, deadlines: DEADLINES };
  }

  async bootstrap(links: 'linked' | 'unlinked' = 'linked'): Promise<void> {
    const request = this.bootstrapRequest();
    await this.harness.succeed('BootstrapFabric', links === 'linked' ? request : { ...request, links: { kind: 'none' } });
  }

  async connect(): Promise<void> {
    await this.harness.succeed('ConnectServiceAcrossClusters', this.connectRequest());
  }

  /** The register; none when it has no peers any more, and is about to end. */
  private async register(): Promise<Register | undefined> {
    const register = await readRegister(this.harness.environment.client, this.fabric);
    return register?.peers.length === 0 ? undefined : register;
  }

  /** Objects with the ids of their claims, and nothing of their contents. */
  private async claimedObjects(): Promise<string[]> {
    const lists = await Promise.all(
      this.harness.simulated.clusters.map(async ({ name, client }) =>
        (await takeInventory(client, { fabric: this.fabric })).map(
          ({ object, claims }) => `${name}: ${object} ${[...claims].sort().join()}`,
        ),
      ),
    );
    return lists.flat();
  }
}

const MOST_CALLS = 10;
const MOST_LOOKS = 10;
const LOOK_AGAIN_MS = 500;

/** Looks again when there was no answer: a register whose worker has just died has to find the next one first. */
async function persistently<T>(look: () => Promise<T>): Promise<T> {
  for (let looks = 1; ; looks += 1) {
    try {
      return await look();
    } catch (error) {
      if (looks === MOST_LOOKS) throw error;
      await delay(LOOK_AGAIN_MS);
    }
  }
}

/** A workflow in a setting to which every run that does not succeed must return. */
export interface Scenario<K extends RunKind = RunKind> {
  readonly title: string;
  readonly kind: K;
  readonly prepare: (lane: Lane) => Promise<void>;
  readonly input: (lane: Lane) => Runs[K]['input'];
  /** Takes a run that succeeded back. */
  readonly revert: (lane: Lane) => Promise<unknown>;
  /** The last step that can fail the run, by its activity id; none where a failed step undoes nothing. */
  readonly lastStep?: string;
  /** What a client of the service hears when the run has ended whole; left out where that says nothing. */
  readonly answer?: string;
}
