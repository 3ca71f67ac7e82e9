// The undoing of a run: what takes its steps back, latest stage first, and the proof that nothing is left. What an undo cannot do is owed.
import { CancellationScope } from '@temporalio/workflow';
import type { Residue, Rollback, StepStatus } from '../src/contract/status';
import type { Claimant, InventoryEntry } from '../src/model/claimant';
import { differences } from '../src/model/inventory';
import type { CallActivities } from './call-activities';
import type { Debts } from './debts';
import { drain } from './drain';
import { patched } from './patches';
import { addressOf, type Place } from './place';
import { problemOf } from './problem';
import { stepId, type Mutable, type StepLog } from './step-log';
import { callUndo, type Undo } from './undo';
import { isUnanswered, untilAnswered } from './until-answered';

interface RegisteredUndo {
  readonly undo: Undo;
  readonly stage: number;
  readonly peer: Place | undefined;
  /** Ids of the steps that it takes back. */
  readonly steps: string[];
}

/** What undoing needs of its run. */
interface RunParts {
  readonly claimant: Claimant;
  readonly steps: StepLog;
  readonly debts: Debts;
  readonly activities: CallActivities;
  /** Called when a step's state has changed. */
  readonly publish: () => void;
}

export class Undoing {
  private readonly undos: RegisteredUndo[] = [];
  private readonly inventories = new Map<string, { readonly peer: Place; readonly before: readonly InventoryEntry[] }>();
  private stage = 0;
  /** The stage that lets others' requests in, if one has. */
  private carrying: number | undefined;
  /** What is known to be left over so far. */
  private readonly residue: Mutable<Residue>[] = [];
  /** Peers that undoing has given up, with the reason: nothing else is tried there. */
  private readonly away = new Map<string, string>();
  /** The claims of others that the run takes away: what they concern is its doing, too. */
  private readonly taken = new Set<string>();
  /** What else it takes away, by peer. */
  private readonly takenObjects = new Map<string, readonly string[]>();
  private readonly undone: string[] = [];
  private readonly counts = new Map<string, { readonly before: number; readonly after: number }>();

  constructor(private readonly run: RunParts) {}

  /** Begins a stage. Undoing goes back stage by stage; within one, peers are undone side by side. */
  beginStage(): void {
    this.stage += 1;
  }

  /** What comes next in this stage lets requests in: when it is undone, those on their way end before an earlier stage is. */
  carriesRequests(): void {
    this.carrying = this.stage;
  }

  takesAway(claims: readonly string[]): void {
    for (const claim of claims) this.taken.add(claim);
  }

  takesObjects(peer: string, objects: readonly string[]): void {
    this.takenObjects.set(peer, [...(this.takenObjects.get(peer) ?? []), ...objects]);
  }

  /** Something is left over. */
  leaves(residue: readonly Residue[]): void {
    this.residue.push(...residue);
  }

  /** Keeps what stood on a peer before the run changed anything there. */
  keepInventory(peer: Place, before: readonly InventoryEntry[]): void {
    this.inventories.set(peer.name, { peer, before });
  }

  /** Registers what takes a step back; steps that share an undo are taken back by one call. */
  register(undo: Undo, peer: Place | undefined, step: string): void {
    const known = this.undos.find((entry) => entry.undo === undo);
    if (known === undefined) this.undos.push({ undo, stage: this.stage, peer, steps: [step] });
    else known.steps.push(step);
  }

  /** Undoes what was done on one peer, while the others go on; what could not be undone is returned, and kept. */
  async undoPeer(name: string): Promise<readonly Residue[]> {
    const undos = this.undos.filter((entry) => entry.peer?.name === name);
    return CancellationScope.nonCancellable(async () => {
      const residue = [...(await this.undoChain(undos)), ...(await this.compareInventory(name, undos.length > 0))];
      await this.run.debts.handOverOf(name, residue);
      this.leaves(residue);
      return residue;
    });
  }

  /** Undoes everything, latest stage first. Never throws: what could not be undone is in the residue. */
  async undoAll(): Promise<Pick<Rollback, 'undone' | 'inventories' | 'residue'>> {
    const undos = [...this.undos];
    for (const stage of [...new Set(undos.map((entry) => entry.stage))].sort((a, b) => b - a)) {
      const ofStage = undos.filter((entry) => entry.stage === stage);
      const peers = [...new Set(ofStage.flatMap((entry) => entry.peer?.name ?? []))];
      const chains = peers.map((name) => this.undoChain(ofStage.filter((entry) => entry.peer?.name === name)));
      this.leaves((await Promise.all(chains)).flat());
      this.leaves(await this.undoChain(ofStage.filter((entry) => entry.peer === undefined)));
      if (stage === this.carrying) await drain();
    }
    const touched = new Set(undos.flatMap((entry) => entry.peer?.name ?? []));
    const compared = await Promise.all([...this.inventories.keys()].map((name) => this.compareInventory(name, touched.has(name))));
    this.leaves(compared.flat());
    await this.run.debts.handOver(this.residue);
    return {
      undone: this.undone,
      inventories: Object.fromEntries([...this.counts].sort(([one], [other]) => (one < other ? -1 : 1))),
      residue: this.residue,
    };
  }

  /**
   * Takes the given undos back, latest first, each only once; a failed one does not stop the others. It is all in one function: one more await
   * would change the order of commands where other peers go on beside it, and histories would not replay (0.1.0-exact/BootstrapFabric-3.json).
   */
  private async undoChain(undos: readonly RegisteredUndo[]): Promise<Mutable<Residue>[]> {
    const residue: Mutable<Residue>[] = [];
    for (const entry of [...undos].reverse()) {
      this.undos.splice(this.undos.indexOf(entry), 1);
      const { undo, peer } = entry;
      const steps = this.run.steps.of(undo.tidies === true ? [] : entry.steps);
      const away = peer === undefined ? undefined : this.away.get(peer.name);
      if (away !== undefined && patched('away-is-owed')) {
        residue.push(this.leaveUndone(entry, steps, `not tried, because ${peer?.name ?? ''} was given up: ${away}`));
        this.run.publish();
        continue;
      }
      const id = `${entry.steps[0] ?? stepId(undo.title, peer)}/undo`;
      for (const step of steps) step.state = 'undoing';
      this.run.publish();
      try {
        await untilAnswered('undo-until-answered', () => callUndo(this.run.activities(id, `undo: ${undo.title}`, peer, 'undo'), undo.call));
        for (const step of steps) {
          step.state = 'undone';
          // What it had done is no longer so.
          delete step.note;
        }
        this.undone.push(`${peer === undefined ? '' : `${peer.name}: `}${undo.title}`);
      } catch (error) {
        const { message } = problemOf(error);
        if (peer !== undefined && isAway(error, peer)) this.away.set(peer.name, message);
        residue.push(this.leaveUndone(entry, steps, message));
      }
      this.run.publish();
    }
    return residue;
  }

  private leaveUndone({ undo, peer }: RegisteredUndo, steps: readonly Mutable<StepStatus>[], why: string): Mutable<Residue> {
    for (const step of steps) step.state = 'not-undone';
    this.run.debts.add({ step: { title: undo.title, call: undo.call }, peer });
    return { peer: peer?.name ?? '', object: undo.title, why };
  }

  /** The second half of the proof: what stands on a peer that was undone, beside what stood there before. */
  private async compareInventory(name: string, touched: boolean): Promise<Mutable<Residue>[]> {
    const known = this.inventories.get(name);
    if (known === undefined || !touched) return [];
    const { peer, before } = known;
    const { fabric, id: claim } = this.run.claimant;
    this.inventories.delete(name);
    try {
      // Where undoing has failed already the cluster is away, and is not waited for once more.
      const patience = this.residue.some((left) => left.peer === name) ? 'look' : 'undo';
      const activities = this.run.activities(`${stepId('compare inventory', peer)}/undo`, 'undo: compare inventory', peer, patience);
      const { value } = await untilAnswered('undo-until-answered', () => activities.takeInventory({ fabric, peer: addressOf(peer) }));
      this.counts.set(name, { before: before.length, after: value.entries.length });
      const objects = this.takenObjects.get(name);
      return differences(before, value.entries, claim, this.taken, objects).map((difference) => ({ peer: name, ...difference }));
    } catch (error) {
      return [{ peer: name, object: 'inventory', why: `could not be compared: ${problemOf(error).message}` }];
    }
  }
}

/**
 * Whether an undo failed because its cluster, or the peer's own worker, did not answer until its deadline. One that answers with an error
 * may do better with the next undo; and where nobody works on the fabric's own task queue, that says nothing of a cluster.
 */
function isAway(error: unknown, { taskQueue }: Place): boolean {
  return isUnanswered(error) ? taskQueue !== undefined : problemOf(error).code === 'unreachable';
}
