// TeardownFabric: peers leave a fabric, or the whole fabric ends. It only goes forward: keys that are gone cannot be put
// back, so what fails is told as residue, and the same request goes on from there: SettleCleanup makes it again until nothing is left.
import { CancellationScope, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { Activities, Attempted, Change, Selection } from '../src/contract/activities';
import type { OwedCleanup } from '../src/contract/owed';
import { peersOfConnection, type Register, type RegisteredPeer } from '../src/contract/register';
import type { TeardownResult } from '../src/contract/results';
import type { Residue } from '../src/contract/status';
import { FabricError } from '../src/errors/fabric-error';
import { MAX_PEERS, teardownRequest, type TeardownRequest } from '../src/model/requests';
import { takenWith } from '../src/model/withdrawal';
import type { Patience } from './activity-options';
import { drain } from './drain';
import { patched } from './patches';
import { problemOf } from './problem';
import { membersOf, narrowedBy, noSuchPeers, recordForGood, runOf } from './register';
import { addressOf, type Place } from './place';
import { asRun, type Run } from './run';
import type { Mutable } from './step-log';
import { together } from './together';

/**
 * Input: `TeardownRequest`. Refused (`in_use`) while a peer that stays shares a connection with one that leaves, unless `force` or `abandon`;
 * and (`not_found`) when none of the named peers is one. Those that are none any more are told.
 */
export async function TeardownFabric(input: unknown): Promise<TeardownResult> {
  return asRun('TeardownFabric', 'bootstrap', teardownRequest, input, async (run, request) => {
    const { register, members, owed } = await enterLeaving(run, request);
    const absent = (request.peers ?? []).filter((name) => !members.has(name));
    if (absent.length > 0 && absent.length === request.peers?.length) throw noSuchPeers(register, absent);
    const leaving = [...members.values()].filter(({ name }) => request.peers === undefined || request.peers.includes(name));
    const staying = [...members.values()].filter((peer) => !leaving.includes(peer));
    run.touches(leaving.map(({ name }) => name));
    const abandon = request.abandon === true;
    if (!request.force && !abandon) refuseWhileShared(register, leaving, staying);
    const unsettled = await settle(run, owed, staying);
    const taken = await takeAway(run, { leaving, staying, abandon, unsettled });
    const end = (): Promise<TeardownResult> => conclude(run, request, { register, owed, leaving, absent, ...taken });
    // What is gone cannot be put back, so a cancellation comes too late: nobody else would tell the register.
    return patched('teardown-tells') ? CancellationScope.nonCancellable(end) : end();
  });
}

/** Comes to work on the peers that leave; on the fabric as a whole where these are all, because its authority goes with the last one. */
async function enterLeaving(run: Run, { peers = [], abandon }: TeardownRequest): ReturnType<typeof membersOf> {
  const leaves = abandon === true ? 'abandoned' : 'alone';
  const seen = await membersOf(run, [], { peers, leaves, settled: [] });
  const areAll = peers.length > 0 && seen.register.peers.every(({ name }) => peers.includes(name));
  if (!areAll || !patched('all-are-the-fabric')) return seen;
  await run.leave();
  return membersOf(run, [], { peers: [], leaves, settled: [] });
}

/** What a teardown has come to, and what it began with. */
interface TakenAway {
  readonly register: Register;
  readonly owed: readonly OwedCleanup[];
  readonly leaving: readonly RegisteredPeer[];
  /** Named, and no peers any more. */
  readonly absent: readonly string[];
  readonly residue: Mutable<Residue>[];
  /** Peers of whose gateway nothing is left, or that are abandoned. */
  readonly gone: readonly string[];
}

/** The authority goes with the last peer; then the register is told, and SettleCleanup of what is left. @throws residue */
async function conclude(
  run: Run,
  request: TeardownRequest,
  { register, owed, leaving, absent, residue, gone }: TakenAway,
): Promise<TeardownResult> {
  const { fabric } = request;
  await forget(run, owed, gone);
  const ended = gone.length === register.peers.length;
  if (ended) {
    const release = (activities: Activities): Promise<Attempted<Change>> =>
      activities.releaseAuthority({ claimant: run.claimant, scope: 'all' });
    residue.push(...(await attempt(run, undefined, 'remove fabric authority', release)));
  }
  const changed = run.changed || (request.abandon === true && gone.length > 0);
  run.leaves(residue);
  // As long as anything is left of a peer, or of the authority, the register knows it: so the same request finds it again.
  const authorityStays = residue.some(({ peer }) => peer === '');
  const names = leaving.map(({ name }) => name);
  const left = authorityStays ? names : names.filter((name) => !gone.includes(name));
  await owe(run, { ...request, ...(left.length > MAX_PEERS ? {} : { peers: left }) }, residue);
  if (gone.length > 0 && !authorityStays) {
    await recordForGood(run, {
      removePeers: gone,
      removeLinks: register.links.filter(({ a, b }) => gone.includes(a) || gone.includes(b)),
      ...narrowedBy(register, takenWith(gone)),
      run: runOf('TeardownFabric', request.reason),
    });
  }
  if (residue.length > 0) {
    const lines = residue.map(({ peer, object, why }) => `${peer === '' ? fabric : peer}: ${object}: ${why}`);
    const owedNow = residue.every((left) => left.owed === true);
    throw new FabricError({
      code: 'residue',
      message: `not everything could be removed:\n  ${lines.join('\n  ')}`,
      hint: owedNow
        ? 'It is tried again by itself until nothing is left; see `skyfabric cleanup`. Peers whose clusters are gone for ever leave with --abandon.'
        : 'Mend what is listed and run the same teardown again; it goes on from where it stands.',
    });
  }
  return { fabric, peers: gone, ...(absent.length === 0 ? {} : { absent }), ended, changed };
}

function refuseWhileShared(register: Register, leaving: readonly RegisteredPeer[], staying: readonly RegisteredPeer[]): void {
  const leavers = new Set(leaving.map(({ name }) => name));
  const stayers = new Set(staying.map(({ name }) => name));
  const shared = register.connections.filter((connection) => {
    const peers = peersOfConnection(connection);
    return peers.some((peer) => leavers.has(peer)) && peers.some((peer) => stayers.has(peer));
  });
  if (shared.length === 0) return;
  throw new FabricError({
    code: 'in_use',
    message: `${[...leavers].join(', ')} cannot leave: needed by ${shared.map(({ workflowId }) => workflowId).join(', ')}`,
    hint: 'Disconnect first with `skyfabric disconnect`, or take the peers away from their connections with --force.',
  });
}

/**
 * What earlier runs have taken from peers that stay is put back first: coming later, it would bring back what is taken away now.
 * @returns those where that cannot be done now; they are left alone
 */
async function settle(run: Run, owed: readonly OwedCleanup[], staying: readonly RegisteredPeer[]): Promise<Mutable<Residue>[]> {
  const { fabric } = run.claimant;
  const awaited = staying.filter(({ name }) =>
    owed.some(({ kind, peers }) => kind === 'undo' && (peers.length === 0 || peers.includes(name))),
  );
  if (awaited.length === 0 || !patched('settle-stayers')) return [];
  const found = await together(
    awaited.map((peer) => () => {
      // It is asked of Temporal, not of the peer's own worker.
      const place: Place = { ...addressOf(peer), taskQueue: undefined };
      return attempt(
        run,
        place,
        'settle owed cleanup',
        (activities) => activities.awaitSettled({ fabric, peers: [peer.name], undoOnly: true }),
        'look',
      );
    }),
  );
  return found.flat();
}

interface Leaving {
  readonly leaving: readonly RegisteredPeer[];
  readonly staying: readonly RegisteredPeer[];
  /** The clusters of those that leave are not touched. */
  readonly abandon: boolean;
  /** What is left on those that stay before anything is begun. */
  readonly unsettled: readonly Mutable<Residue>[];
}

/**
 * Sources leave imports before exports go, exports before links, links before gateways; each on all peers at once. A peer that
 * stays and still has a source or link left keeps every leaving gateway, because the same request must find them again.
 */
async function takeAway(
  run: Run,
  { leaving, staying, abandon, unsettled }: Leaving,
): Promise<{ residue: Mutable<Residue>[]; gone: string[] }> {
  const { claimant } = run;
  const names = leaving.map(({ name }) => name);
  const residue = [...unsettled];
  const gone: string[] = [];
  const isAble = ({ name }: RegisteredPeer): boolean => !residue.some((left) => left.peer === name);
  /** Peers that stay lose what concerns the leaving ones; the leaving ones lose everything. A peer that failed is left alone. */
  const everywhere = async (
    title: string,
    peers: readonly RegisteredPeer[],
    act: (activities: Activities, peer: RegisteredPeer, selection: Selection) => Promise<Attempted<Change>>,
  ): Promise<void> => {
    const able = peers.filter(isAble);
    const found = await together(
      able.map(
        (peer) => () =>
          attempt(run, peer, title, (activities) => act(activities, peer, names.includes(peer.name) ? {} : { remotes: names })),
      ),
    );
    residue.push(...found.flat());
  };
  const all = abandon ? staying : [...leaving, ...staying];
  try {
    await everywhere('withdraw imports', all, (activities, peer, selection) =>
      activities.releaseImports({ claimant, peer: addressOf(peer), scope: 'all', selection }),
    );
    if (staying.length > 0) await drain();
    await everywhere('withdraw exports', all, (activities, peer, selection) =>
      activities.releaseExports({ claimant, peer: addressOf(peer), scope: 'all', selection }),
    );
    await everywhere('remove links', all, (activities, peer, selection) =>
      activities.releasePeerings({ claimant, peer: addressOf(peer), scope: 'all', selection }),
    );
    if (!staying.every(isAble)) return { residue, gone };
    await everywhere('remove gateway', abandon ? [] : leaving, (activities, peer) =>
      activities.releaseGateway({ claimant, peer: addressOf(peer), scope: 'all' }),
    );
    gone.push(...leaving.filter(isAble).map(({ name }) => name));
    return { residue, gone };
  } catch (error) {
    // Cancelled: nothing is put back, so what may still stand is told.
    run.leaves(
      leaving.map(({ name }) => ({ peer: name, object: 'gateway', why: 'the teardown was cancelled; the same request again goes on' })),
    );
    throw error;
  }
}

/** Peers that are gone are owed nothing any more. */
async function forget(run: Run, owed: readonly OwedCleanup[], gone: readonly string[]): Promise<void> {
  if (!owed.some(({ peers }) => peers.some((peer) => gone.includes(peer)))) return;
  const { fabric } = run.claimant;
  await run.step({ title: 'forget owed cleanup' }, (activities) => activities.forgetOwed({ fabric, peers: gone }));
}

/**
 * Lets SettleCleanup make this request again until nothing is left. It names the peers that have not left yet: nobody who joins later is
 * meant, and nobody who has left is missed. It concerns them and those where something is left; or, for the authority, the fabric.
 */
async function owe(run: Run, request: TeardownRequest, residue: readonly Mutable<Residue>[]): Promise<void> {
  if (residue.length === 0) return;
  const { by, run: id } = run.claimant;
  const found = residue.map(({ peer }) => peer);
  const peers = found.includes('') ? [] : [...new Set([...found, ...(request.peers ?? [])])].sort();
  const asked = workflowInfo().memo?.['request'];
  await run.handOver(residue, [
    { kind: 'teardown', by, run: id, since: Date.now(), peers, request, ...(typeof asked === 'string' ? { asked } : {}) },
  ]);
}

/** A step whose failure is residue and stops nobody else. */
async function attempt(
  run: Run,
  peer: Place | undefined,
  title: string,
  act: (activities: Activities) => Promise<Attempted<Change>>,
  patience: Patience = 'act',
): Promise<Residue[]> {
  try {
    await run.step({ title, peer, patience }, act);
    return [];
  } catch (error) {
    if (isCancellation(error)) throw error;
    return [{ peer: peer?.name ?? '', object: title, why: problemOf(error).message }];
  }
}
