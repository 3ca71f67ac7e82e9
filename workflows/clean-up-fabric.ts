// CleanUpFabric: finds what runs have left that nobody answers for (a terminated run is never undone), and removes it when told to.
import { isCancellation } from '@temporalio/workflow';
import type { UndoCall } from '../src/contract/activities';
import { emptyRegister, type Register } from '../src/contract/register';
import type { CleanupResult, Loss, Orphan } from '../src/contract/results';
import type { Residue } from '../src/contract/status';
import { claimIdOf, isClaimOf } from '../src/contract/workflow-ids';
import { FabricError } from '../src/errors/fabric-error';
import type { Claimant } from '../src/model/claimant';
import { cleanUpRequest, type CleanUpRequest } from '../src/model/requests';
import { drain } from './drain';
import { lookAtEach } from './looks';
import { lossOf } from './losses';
import { callUndo } from './undo';
import { isOrphan, loneStandsOf, reasonOf, standsOf, withSharers, type Held, type Judgement, type Known } from './orphans';
import { patched } from './patches';
import { addressOf, type Place } from './place';
import { problemOf } from './problem';
import { readRegister } from './register';
import { asRun, type Run } from './run';
import { together } from './together';

/** Input: `CleanUpRequest`. What cannot be removed now is owed. @throws residue */
export async function CleanUpFabric(input: unknown): Promise<CleanupResult> {
  return asRun('CleanUpFabric', 'verification', cleanUpRequest, input, async (run, request) => {
    const { fabric, remove } = request;
    const { register, owed = [] } = await run.step({ title: 'read register', patience: 'look' }, (activities) =>
      activities.readRegister({ fabric, withOwed: true }),
    );
    const places = placesOf(register?.peers ?? [], request.peers ?? []);
    run.touches(places.map(({ name }) => name));
    const { found: holders, failures } = await lookAtEach(places, async (peer) => {
      const { holders: own } = await run.step({ title: 'list claims', peer, patience: 'look' }, (activities) =>
        activities.listClaims({ fabric, peer: addressOf(peer) }),
      );
      return own.map((holder): Held => ({ peer: peer.name, ...holder }));
    });
    const held = asKnown(holders.flat());
    // Cleanups that began before runs were known to rely on the claims of others go on as they did then.
    const asBefore = held.length > 0 && !patched('claims-relied-on');
    const rule = held.length === 0 ? 'lasting' : ruleOfStands();
    const known = { register: register ?? emptyRegister(fabric), owed, asBefore };
    const { orphans, fates } = await judge(run, held, known, { claims: held, rule });
    const losses = await findLosses(run, held, fates, known);
    const unseen = failures.map(({ peer, error }) => ({ peer, problem: problemOf(error) }));
    const wanted = orphans.filter((orphan) => isChosen(orphan, remove));
    const seen = wanted.length > MOST_ORPHANS && patched('orphans-in-parts') ? firstOf(wanted) : wanted;
    const alone = seen.length > 0 && patched('orphans-taken-alone');
    const { chosen, register: latest } = alone ? await takeAlone(run, seen, { claims: held, rule }) : { chosen: seen, register };
    // Every peer relies on the authority, and the end of the last one takes every claim off it.
    const keepsAuthority = !asBefore && (latest?.peers ?? []).length > 0;
    if (chosen.length > 0) await removeAll(run, places, chosen, { asBefore, keepsAuthority });
    const left = wanted.length - seen.length;
    const found = remove === undefined ? orphans : chosen;
    return {
      fabric,
      owed,
      orphans: found,
      ...(losses.length === 0 ? {} : { losses }),
      removed: chosen.length > 0,
      unseen,
      ...(left === 0 ? {} : { left }),
    };
  });
}

/** The claims as they were found; to cleanups that began before who changes a claim was noted, as if it were not. */
function asKnown(held: readonly Held[]): readonly Held[] {
  const isNoted = held.some(({ changedBy }) => changedBy !== undefined);
  return isNoted && !patched('who-changed-claims') ? held.map(({ changedBy: _, ...one }) => one) : held;
}

/** The fabric's peers, and those that the request names besides. */
function placesOf(members: readonly Place[], named: readonly Place[]): Place[] {
  return [...new Map([...members, ...named].map((place) => [place.name, place])).values()];
}

/** More than one history and one account of who is at work should hold; Temporal lets a workflow wait for 2,000 activities at once. */
const MOST_ORPHANS = 300;
/** Temporal's longest workflow id. */
const LONGEST_ID = 1_000;

/** As many orphans as one run removes: claims are taken whole, on all peers, so that no import outlives its export. */
function firstOf(orphans: readonly Orphan[]): readonly Orphan[] {
  const claims = new Map<string, Orphan[]>();
  for (const orphan of orphans) {
    const key = `${orphan.claim} ${orphan.run}`;
    claims.set(key, [...(claims.get(key) ?? []), orphan]);
  }
  const first: Orphan[] = [];
  for (const ofClaim of claims.values()) {
    if (first.length > 0 && first.length + ofClaim.length > MOST_ORPHANS) break;
    first.push(...ofClaim);
  }
  return first;
}

/** All claims that were found, and by which rule something registered stands on them: cleanups that began before there was one go on as they did then. */
interface Stands {
  readonly claims: readonly Held[];
  readonly rule: 'none' | 'lone' | 'lasting';
}

function ruleOfStands(): Stands['rule'] {
  if (patched('stands-that-last')) return 'lasting';
  return patched('gateways-stand-on-claims') ? 'lone' : 'none';
}

/** The orphans that are some still, once no run of the requests that left them can begin to rely on them; and the register then. */
async function takeAlone(
  run: Run,
  seen: readonly Orphan[],
  stands: Stands,
): Promise<{ readonly chosen: readonly Orphan[]; readonly register: Register | undefined }> {
  const peers = [...new Set(seen.map(({ peer }) => peer))].sort();
  // What is written on an object may be anybody's; a request that anybody can repeat has an id that Temporal takes.
  const runs = [...new Set(seen.map(({ by }) => by))].filter((by) => by.length <= LONGEST_ID).sort();
  const { register, owed = [] } = await readRegister(run, { peers, takes: { runs }, settled: [] });
  const doubtful = stands.claims.filter((one) =>
    seen.some(({ peer, claim, run: id }) => peer === one.peer && claim === one.claim && id === one.run),
  );
  const { orphans } = await judge(run, doubtful, { register: register ?? emptyRegister(run.claimant.fabric), owed }, stands);
  return { chosen: orphans, register };
}

/** How the run of a claim fares, and the run that has changed it last where that is another workflow's. */
type Fates = (held: Held) => Judgement;

async function lookUpRuns(run: Run, held: readonly Held[]): Promise<Fates> {
  const { fabric } = run.claimant;
  const keyOf = (by: string, id: string): string => `${by} ${id}`;
  const runs = [
    ...new Map(
      held
        .flatMap(({ by, run: id, changedBy }) => [{ by, run: id }, ...(changedBy === undefined ? [] : [{ by: changedBy, run: id }])])
        .map((one) => [keyOf(one.by, one.run), one]),
    ).values(),
  ];
  const { states, repeated = [] } = await run.step({ title: 'look up runs', patience: 'look' }, (activities) =>
    activities.judgeRuns({ fabric, runs }),
  );
  const indices = new Map(runs.map((one, index) => [keyOf(one.by, one.run), index]));
  const fateOf = (by: string, id: string): Judgement => {
    const index = indices.get(keyOf(by, id)) ?? -1;
    return { state: states[index] ?? 'unknown', repeated: repeated[index] ?? false };
  };
  return ({ by, run: id, changedBy }) => ({
    ...fateOf(by, id),
    ...(changedBy === undefined ? {} : { taker: fateOf(changedBy, id).state }),
  });
}

async function judge(run: Run, held: readonly Held[], known: Omit<Known, 'stands'>, { claims, rule }: Stands): Promise<Judged> {
  if (held.length === 0) return { orphans: [], fates: () => ({ state: 'unknown', repeated: false }) };
  const looked = rule === 'lasting' ? withSharers(held, claims) : held;
  const fates = await lookUpRuns(run, looked);
  const stands = rule === 'lasting' ? standsOf(looked, fates, known) : rule === 'lone' ? loneStandsOf(claims, known.register) : [];
  const orphans = held.flatMap((one): Orphan[] => {
    const judgement = fates(one);
    if (!isOrphan(one, judgement, { ...known, stands })) return [];
    const { peer, claim, by, run: id, changedBy, objects } = one;
    return [{ peer, claim, by, run: id, ...(changedBy === undefined ? {} : { changedBy }), objects, why: reasonOf(judgement) }];
  });
  return { orphans, fates };
}

interface Judged {
  readonly orphans: readonly Orphan[];
  readonly fates: Fates;
}

/** What registered connections have lost, by a register that knows what those have told who ended since the first look at it. */
async function findLosses(run: Run, held: readonly Held[], fates: Fates, known: Pick<Known, 'register' | 'owed'>): Promise<Loss[]> {
  const suspected = held.filter((one) => lossOf(one, fates(one), known).length > 0);
  if (suspected.length === 0) return [];
  const { register, owed = [] } = await readRegister(run);
  return suspected.flatMap((one) => lossOf(one, fates(one), { register: register ?? emptyRegister(run.claimant.fabric), owed }));
}

function isChosen({ claim, run }: Orphan, remove: CleanUpRequest['remove']): boolean {
  if (remove === undefined) return false;
  return remove === 'all' || remove.some((one) => one.claim === claim && one.run === run);
}

/** Sources leave imports before exports go, exports before links, links before gateways; each on all peers at once. */
async function removeAll(
  run: Run,
  places: readonly Place[],
  orphans: readonly Orphan[],
  { asBefore, keepsAuthority }: { readonly asBefore: boolean; readonly keepsAuthority: boolean },
): Promise<void> {
  const { fabric } = run.claimant;
  const residue: Residue[] = [];
  for (const { title, of, onFabric = false, carriesRequests = false } of REMOVALS) {
    if (onFabric && keepsAuthority) continue;
    run.beginStage();
    const isFirst = ({ claim, run: id }: Orphan, index: number): boolean =>
      orphans.findIndex((other) => other.claim === claim && other.run === id) === index;
    const taken = await together(
      // What is done for the fabric is done once for a claim, however many peers hold it.
      orphans
        .filter((orphan, index) => !onFabric || asBefore || isFirst(orphan, index))
        .map((orphan) => async () => {
          const place = places.find(({ name }) => name === orphan.peer);
          const call = place && of({ fabric, id: orphan.claim, by: orphan.by, run: orphan.run }, place);
          if (call === undefined) return false;
          const options = { title: `${title} of ${orphan.claim}`, peer: onFabric ? undefined : place };
          try {
            const { changed } = await run.step(options, (activities) => callUndo(activities, call));
            return changed;
          } catch (error) {
            // What is left then is an orphan still, and found again.
            if (isCancellation(error) && !asBefore) throw error;
            const left = await run.owes(options.peer, { title: options.title, call }, problemOf(error).message);
            run.leaves(left);
            residue.push(...left);
            return true;
          }
        }),
    );
    if (carriesRequests && taken.includes(true)) await drain();
  }
  if (residue.length === 0) return;
  const lines = residue.map(({ peer, object, why }) => `${peer === '' ? fabric : peer}: ${object}: ${why}`);
  throw new FabricError({
    code: 'residue',
    message: `not everything could be removed:\n  ${lines.join('\n  ')}`,
    hint: residue.every(({ owed }) => owed === true)
      ? 'It is owed now, and tried until it succeeds; see `skyfabric cleanup`.'
      : 'Mend what is listed and run the same cleanup again.',
  });
}

/** What takes back everything that one run's claim may stand on; each is harmless where there is nothing. */
const REMOVALS: readonly {
  readonly title: string;
  readonly of: (claimant: Claimant, peer: Place) => UndoCall | undefined;
  /** On the fabric's own task queue, not the peer's. */
  readonly onFabric?: boolean;
  /** Requests may be on their way over it. */
  readonly carriesRequests?: boolean;
}[] = [
  {
    title: 'withdraw imports',
    carriesRequests: true,
    of: (claimant, peer) => ({ activity: 'releaseImports', input: { claimant, peer: addressOf(peer), scope: 'run', selection: {} } }),
  },
  {
    title: 'withdraw exports',
    of: (claimant, peer) => ({ activity: 'releaseExports', input: { claimant, peer: addressOf(peer), scope: 'run', selection: {} } }),
  },
  {
    title: 'remove echo servers',
    of: (claimant, peer) =>
      isClaimOf('verification', claimant.id)
        ? { activity: 'removeEcho', input: { claimant, peer: addressOf(peer), of: 'claim' } }
        : undefined,
  },
  {
    title: 'take back links',
    of: (claimant, peer) => ({ activity: 'releasePeerings', input: { claimant, peer: addressOf(peer), scope: 'run', selection: {} } }),
  },
  {
    title: 'take back gateway',
    of: (claimant, peer) =>
      isClaimOf('bootstrap', claimant.id)
        ? { activity: 'releaseGateway', input: { claimant, peer: addressOf(peer), scope: 'run' } }
        : undefined,
  },
  {
    title: 'release fabric authority',
    onFabric: true,
    // A claim that names another run than its own was written by hand, and a cluster's users must not get at the key store.
    of: (claimant) =>
      claimant.id === claimIdOf('bootstrap', claimant.by) ? { activity: 'releaseAuthority', input: { claimant, scope: 'run' } } : undefined,
  },
];
