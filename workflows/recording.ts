// How runs read and tell the fabric's register.
import { workflowInfo } from '@temporalio/workflow';
import type { OwedCleanup } from '../src/contract/owed';
import { inverseOf, type Register, type RegisterChange, type RegisteredConnection, type RegisteredPeer } from '../src/contract/register';
import { FabricError } from '../src/errors/fabric-error';
import { remainingImports, type Taken } from '../src/model/withdrawal';
import type { Run, Undo } from './run';

/** The register of a fabric that must be there, with the named peers found in it, and what is owed to its peers. @throws not_found that names every unknown peer */
export async function membersOf(
  run: Run,
  names: readonly string[],
): Promise<{ register: Register; members: ReadonlyMap<string, RegisteredPeer>; owed: readonly OwedCleanup[] }> {
  const { fabric } = run.claimant;
  const { register, owed = [] } = await run.step({ title: 'read register', patience: 'look' }, (activities) =>
    activities.readRegister({ fabric }),
  );
  if (register === undefined) {
    throw new FabricError({
      code: 'not_found',
      message: `there is no fabric ${fabric}`,
      hint: 'Mend the name; a fabric is made with `skyfabric bootstrap`.',
    });
  }
  const members = new Map(register.peers.map((peer) => [peer.name, peer]));
  const unknown = [...new Set(names)].filter((name) => !members.has(name)).sort();
  if (unknown.length > 0) {
    throw new FabricError({
      code: 'not_found',
      message: `fabric ${fabric} has no ${unknown.length === 1 ? 'peer' : 'peers'} ${unknown.join(', ')}; its peers are ${[...members.keys()].join(', ')}`,
      hint: 'Mend the name; clusters are added with `skyfabric bootstrap`.',
    });
  }
  return { register, members, owed };
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
