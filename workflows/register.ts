// How runs read and tell the fabric's register.
import { workflowInfo } from '@temporalio/workflow';
import type { Entry } from '../src/contract/activities';
import type { OwedCleanup } from '../src/contract/owed';
import { inverseOf, type Register, type RegisterChange, type RegisteredConnection, type RegisteredPeer } from '../src/contract/register';
import { FabricError } from '../src/errors/fabric-error';
import { remainingImports, type Taken } from '../src/model/withdrawal';
import { patched } from './patches';
import type { Run } from './run';
import type { Undo } from './undo';

/** What the run's fabric is. */
interface Known {
  readonly register?: Register;
  readonly owed?: readonly OwedCleanup[];
  /** False when the run was to come to work, and has to wait for what is owed to its peers first. */
  readonly entered?: boolean;
}

/**
 * The register of the run's fabric, if there is one, and what is owed to its peers.
 * @param enter the run comes to work on these peers before that, and stays until it ends @throws pending while somebody who came before keeps it out
 */
export async function readRegister(run: Run, enter?: Entry): Promise<Known> {
  const { fabric } = run.claimant;
  // What is told is waited for: a run whose workflow could be carried out by a worker that does not wait, is not to be told.
  const asks = patched('owed-told');
  const enters = enter !== undefined && patched('enters');
  if (enters) run.enters();
  // Who takes away is not in a hurry; who comes to make something is told soon why it cannot.
  const isTaking = enters && (enter.leaves !== undefined || enter.takes !== undefined);
  return run.step({ title: 'read register', patience: isTaking ? 'act' : 'look' }, (activities) =>
    activities.readRegister({ fabric, ...(asks ? { withOwed: true } : {}), ...(enters ? { enter } : {}) }),
  );
}

/** As `readRegister`, once nothing is owed to the peers any more. */
async function enterSettled(run: Run, enter: Entry): Promise<Known> {
  for (;;) {
    const known = await readRegister(run, enter);
    if (known.entered !== false) return known;
    await run.awaitSettled(known.owed ?? [], enter.settled ?? enter.peers);
  }
}

/**
 * The register of a fabric that must be there, with the named peers found in it, and what is owed to its peers.
 * @param enter as for `readRegister`
 * @throws not_found that names every unknown peer
 */
export async function membersOf(
  run: Run,
  names: readonly string[],
  enter?: Entry,
): Promise<{ register: Register; members: ReadonlyMap<string, RegisteredPeer>; owed: readonly OwedCleanup[] }> {
  const { fabric } = run.claimant;
  const { register, owed = [] } = await (enter === undefined ? readRegister(run) : enterSettled(run, enter));
  if (register === undefined) {
    throw new FabricError({
      code: 'not_found',
      message: `there is no fabric ${fabric}`,
      hint: 'Mend the name; a fabric is made with `skyfabric bootstrap`.',
    });
  }
  const members = new Map(register.peers.map((peer) => [peer.name, peer]));
  const unknown = [...new Set(names)].filter((name) => !members.has(name)).sort();
  if (unknown.length > 0) throw noSuchPeers(register, unknown);
  return { register, members, owed };
}

/**
 * As `membersOf`, for a run that takes something from connections: it comes to work on all of their peers, as it may have to put them back whole.
 * @param concerned the peers, as the register tells them
 */
export async function membersFor(
  run: Run,
  names: readonly string[],
  enter: Pick<Entry, 'takes' | 'settled'>,
  concerned: (register: Register) => readonly string[],
): ReturnType<typeof membersOf> {
  let { register } = await membersOf(run, names);
  for (;;) {
    const peers = concerned(register);
    const seen = await membersOf(run, names, { ...enter, peers });
    if (concerned(seen.register).every((peer) => peers.includes(peer))) return seen;
    // Somebody who came before has connected more of them meanwhile. Nobody moves up: it comes anew.
    await run.leave();
    ({ register } = seen);
  }
}

/** What is said of names that are no peers of a fabric. */
export function noSuchPeers({ fabric, peers }: Register, unknown: readonly string[]): FabricError {
  return new FabricError({
    code: 'not_found',
    message: `fabric ${fabric} has no ${unknown.length === 1 ? 'peer' : 'peers'} ${unknown.join(', ')}; its peers are ${peers.map(({ name }) => name).join(', ')}`,
    hint: 'Mend the name; clusters are added with `skyfabric bootstrap`.',
  });
}

/** Tells the fabric's register; taken back when the run is undone after all. */
export async function record(run: Run, register: Register, change: RegisterChange): Promise<void> {
  const { fabric } = run.claimant;
  const undo: Undo = {
    title: 'take back the register entry',
    call: { activity: 'recordChange', input: { fabric, change: inverseOf(register, change) } },
  };
  await run.step({ title: 'record in register', undo }, (activities) => activities.recordChange({ fabric, change }));
}

/** Tells the fabric's register of what cannot be undone. */
export async function recordForGood(run: Run, change: RegisterChange): Promise<void> {
  const { fabric } = run.claimant;
  await run.step({ title: 'record in register' }, (activities) => activities.recordChange({ fabric, change }));
}

/** How the register's connections change when pairs are taken from those with the given ids (from all, when none are given). */
export function narrowedBy(
  register: Register,
  taken: Taken,
  ids?: readonly string[],
): { removeConnections: string[]; putConnections: RegisteredConnection[] } {
  const after = register.connections
    .filter(({ id }) => ids === undefined || ids.includes(id))
    .map((connection) => ({ before: connection, connection: { ...connection, imports: remainingImports(connection.imports, taken) } }));
  const isOver = ({ connection }: (typeof after)[number]): boolean => Object.keys(connection.imports).length === 0;
  return {
    removeConnections: after.filter(isOver).map(({ connection }) => connection.id),
    putConnections: after
      .filter((entry) => !isOver(entry) && pairCount(entry.before) !== pairCount(entry.connection))
      .map(({ connection }) => connection),
  };
}

function pairCount({ imports }: RegisteredConnection): number {
  return Object.values(imports).flat().length;
}

/** This run, as the register keeps it. */
export function runOf(kind: string, reason: string | undefined): NonNullable<RegisterChange['run']> {
  const { workflowId, runId } = workflowInfo();
  return { workflowId, runId, kind, endedAt: Date.now(), ...(reason === undefined ? {} : { reason }) };
}
