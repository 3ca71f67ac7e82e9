// BootstrapFabric: bare clusters become the peers of a fabric, and are linked.
import { isCancellation } from '@temporalio/workflow';
import type { RemotePeer } from '../src/contract/activities';
import { concerns } from '../src/contract/debts';
import type { OwedCleanup } from '../src/contract/owed';
import { emptyRegister, type Register, type RegisteredPeer } from '../src/contract/register';
import type { BootstrapResult, CheckFinding, PeerResult } from '../src/contract/results';
import type { Residue } from '../src/contract/status';
import { FabricError } from '../src/errors/fabric-error';
import type { Peer } from '../src/model/peer';
import { bootstrapRequest, type BootstrapRequest } from '../src/model/requests';
import { linkName, linksOf, remotesOf, type Link } from '../src/model/topology';
import { followMoved, linkPeers, type LinkHolder } from './linking';
import { allOf, lookAtEach, type Looks } from './looks';
import { patched } from './patches';
import { problemOf } from './problem';
import { readRegister, record, runOf } from './register';
import { addressOf } from './place';
import { asRun, type Run } from './run';
import type { Undo } from './undo';
import { together } from './together';

/** A peer whose gateway answers. */
interface Joined {
  readonly peer: Peer;
  readonly result: PeerResult;
}

/** Input: `BootstrapRequest`. Fails with a RunFailure after undoing what it did; see docs/architecture.md. */
export async function BootstrapFabric(input: unknown): Promise<BootstrapResult> {
  return asRun('BootstrapFabric', 'bootstrap', bootstrapRequest, input, async (run, request) => {
    run.touches(request.peers.map((peer) => peer.name));
    const { register, clusterUids, failed } = await inspect(run, request);
    const able = request.peers.filter(({ name }) => clusterUids.has(name));
    if (able.length === 0) throw nobodyJoins(failed);
    run.beginStage();
    const authority = await prepareWorker(run, request, register);
    run.beginStage();
    const residue: Residue[] = [];
    const joined = await together(
      able.map((peer) => async (): Promise<Joined[]> => {
        try {
          return [{ peer, result: await joinPeer(run, request, peer, authority.certificatePem) }];
        } catch (error) {
          if (request.onFailure === 'rollback' || isCancellation(error)) throw error;
          failed.push({ peer: peer.name, problem: problemOf(error) });
          residue.push(...(await run.rollBackPeer(peer.name)));
          return [];
        }
      }),
    );
    const members = joined.flat();
    if (members.length === 0) throw nobodyJoins(failed);
    run.beginStage();
    const names = new Set(members.map(({ peer }) => peer.name));
    const links = linksOf(
      request.links,
      request.peers.map((peer) => peer.name),
    ).filter(({ a, b }) => names.has(a) && names.has(b));
    const places = members.map(({ peer, result }) => ({ place: peer, endpoint: result.endpoint }));
    const { probeGateways } = request.clusterlink;
    const holders = holdersOfMoved(request, register, members, links);
    if (holders.length > 0 && patched('moved-gateways')) {
      await enrol(run, request, holders);
      await together([() => linkPeers(run, places, remotesOf(links), probeGateways), () => followMoved(run, holders, probeGateways)]);
    } else await linkPeers(run, places, remotesOf(links), probeGateways);
    const { changed } = run;
    run.beginStage();
    await record(run, register, {
      putPeers: members.map(({ peer, result }): RegisteredPeer => ({
        ...peer,
        endpoint: result.endpoint,
        clusterUid: clusterUids.get(peer.name) ?? '',
        clusterlink: request.clusterlink,
      })),
      putLinks: links,
      run: runOf('BootstrapFabric', request.reason),
    });
    residue.push(...(await settle(run, members)));
    return {
      fabric: request.fabric,
      changed,
      authority: { fingerprint: authority.fingerprint, notAfter: authority.notAfter, created: authority.created },
      peers: members.map(({ result }) => result),
      links,
      failed,
      residue,
    };
  });
}

/** The peers that hold links which this request does not make, to gateways that answered elsewhere before it. One that could not join is left alone. */
function holdersOfMoved(
  { peers }: BootstrapRequest,
  register: Register,
  members: readonly Joined[],
  made: readonly Link[],
): readonly LinkHolder[] {
  const joined = new Map(members.map((member) => [member.peer.name, member]));
  const names = new Set(made.map(linkName));
  const known = remotesOf(register.links.filter((link) => !names.has(linkName(link))));
  const before = new Map(register.peers.map(({ name, endpoint }) => [name, endpoint]));
  const movedTo = (name: string): RemotePeer[] => {
    const [now, then] = [joined.get(name)?.result.endpoint, before.get(name)];
    const isMoved = now !== undefined && then !== undefined && !(now.host === then.host && now.port === then.port);
    return isMoved ? [{ name, endpoint: now }] : [];
  };
  return register.peers
    .filter(({ name }) => joined.has(name) || !peers.some((peer) => peer.name === name))
    .map((peer) => ({ place: joined.get(peer.name)?.peer ?? peer, others: (known.get(peer.name) ?? []).flatMap(movedTo) }))
    .filter(({ others }) => others.length > 0);
}

/** The run touches peers that it does not name: it is found by them as well, and proves what it undoes there. */
async function enrol(run: Run, { peers }: BootstrapRequest, holders: readonly LinkHolder[]): Promise<void> {
  const more = holders.filter(({ place }) => !peers.some(({ name }) => name === place.name));
  run.touches([...peers, ...more.map(({ place }) => place)].map(({ name }) => name));
  await together(
    more.map(
      ({ place }) =>
        () =>
          run.recordInventory(place),
    ),
  );
}

/** What one peer's cluster showed. */
interface Seen {
  readonly peer: Peer;
  readonly clusterUid: string;
  readonly findings: readonly CheckFinding[];
}

type Failed = BootstrapResult['failed'][number];

/** What was seen before anything is touched. */
interface Inspection {
  readonly register: Register;
  /** Of the peers that can be used, by name. */
  readonly clusterUids: ReadonlyMap<string, string>;
  /** The others; only with `onFailure: keep-healthy`. */
  readonly failed: Failed[];
}

/** Looks at every cluster, and tells every problem found. @throws the problems, unless healthy peers are to be kept */
async function inspect(run: Run, request: BootstrapRequest): Promise<Inspection> {
  const { fabric, clusterlink } = request;
  const look = (peers: readonly Peer[]): Promise<Looks<Seen>> =>
    lookAtEach(peers, async (peer) => {
      const [seen] = await together([
        () => run.step({ title: 'preflight', peer, patience: 'look' }, (activities) => activities.preflight({ fabric, peer, clusterlink })),
        () => run.recordInventory(peer),
      ]);
      return { peer, ...seen };
    });
  const keepHealthy = request.onFailure === 'keep-healthy';
  const { known, unsettled, looks, away } = patched('enters') ? await enter(run, request, look) : await lookFirst(run, request, look);
  const found = looks.found.filter(({ peer }) => !away.has(peer.name));
  const failures = [...unsettled, ...looks.failures.filter(({ peer }) => !away.has(peer))];
  if (failures.length > 0 && !keepHealthy) throw allOf(failures);
  const register = known.register ?? emptyRegister(fabric);
  const unfit = unfitPeers(found, register);
  if (unfit.length > 0 && !keepHealthy) {
    const lines = unfit.map(({ peer, problem }) => `${peer}: ${problem.message}`);
    throw new FabricError({
      code: 'conflict',
      message: `nothing was touched, because:\n  ${lines.join('\n  ')}`,
      hint: 'Mend what is listed, look again with `skyfabric check`, and run it again.',
    });
  }
  const failed = [...failures.map(({ peer, error }) => ({ peer, problem: problemOf(error) })), ...unfit];
  const fit = found.filter(({ peer }) => !failed.some((other) => other.peer === peer.name));
  return { register, clusterUids: new Map(fit.map(({ peer, clusterUid }) => [peer.name, clusterUid])), failed };
}

interface Entered {
  readonly known: Awaited<ReturnType<typeof readRegister>>;
  readonly looks: Looks<Seen>;
  /** Peers that are owed something still, and are not looked at. */
  readonly unsettled: Looks<unknown>['failures'];
  readonly away: ReadonlySet<string>;
}

/** Looks once nobody makes the peers leave any more, and nobody can begin to. Those that are owed something still are left alone with `keep-healthy`. */
async function enter(run: Run, request: BootstrapRequest, look: (peers: readonly Peer[]) => Promise<Looks<Seen>>): Promise<Entered> {
  let unsettled: Looks<unknown>['failures'] = [];
  let known: Entered['known'] = {};
  let peers = request.peers;
  let partners: readonly string[] = [];
  while (peers.length > 0) {
    const names = peers.map(({ name }) => name);
    known = await readRegister(run, { peers: [...names, ...partners], starts: true, ...(partners.length === 0 ? {} : { settled: names }) });
    if (known.entered !== false) {
      const found = partnersOf(request, known.register);
      if (found.every((name) => partners.includes(name)) || !patched('moved-gateways')) break;
      // It may have to lead their links to gateways that move. Nobody moves up: it comes anew.
      partners = found;
      await run.leave();
      continue;
    }
    const left = await settleOwed(run, { ...request, peers }, known.owed ?? []);
    unsettled = [...unsettled, ...left.unsettled];
    peers = peers.filter(({ name }) => !unsettled.some(({ peer }) => peer === name));
  }
  return { known, unsettled, away: new Set(unsettled.map(({ peer }) => peer)), looks: await look(peers) };
}

/** The peers that are linked to those of the request, and are not named by it. */
function partnersOf({ peers }: BootstrapRequest, register: Register | undefined): readonly string[] {
  const names = new Set(peers.map(({ name }) => name));
  const remotes = remotesOf(register?.links ?? []);
  return [...new Set(peers.flatMap(({ name }) => remotes.get(name) ?? []))].filter((name) => !names.has(name)).sort();
}

/** As bootstraps did that began before `enter`. */
async function lookFirst(run: Run, request: BootstrapRequest, look: (peers: readonly Peer[]) => Promise<Looks<Seen>>): Promise<Entered> {
  const [known, first] = await together([() => readRegister(run), () => look(request.peers)]);
  const { settled, unsettled } = await settleOwed(run, request, known.owed ?? []);
  const away = new Set(unsettled.map(({ peer }) => peer));
  return { known, unsettled, away, looks: settled ? await look(request.peers.filter(({ name }) => !away.has(name))) : first };
}

/** Waits for what earlier runs owe the peers; with `keep-healthy` a peer that is owed something still is told, and stops nobody else. @throws pending */
async function settleOwed(
  run: Run,
  { peers, onFailure }: BootstrapRequest,
  owed: readonly OwedCleanup[],
): Promise<{ readonly settled: boolean; readonly unsettled: Looks<unknown>['failures'] }> {
  const debtors = peers.filter(({ name }) => owed.some((debt) => concerns(debt.peers, [name])));
  const names = peers.map(({ name }) => name);
  if (debtors.length === 0 || onFailure === 'rollback' || !patched('settled-by-peer')) {
    return { settled: await run.awaitSettled(owed, names), unsettled: [] };
  }
  await run.awaitSettled(
    owed.filter((debt) => debt.peers.length === 0),
    [],
  );
  const { failures } = await lookAtEach(debtors, (peer) => run.awaitSettled(owed, [peer.name], peer));
  return { settled: true, unsettled: failures };
}

/** Peers whose cluster a bootstrap must not use: by preflight's findings, or because it is another peer's or another cluster. */
function unfitPeers(looks: readonly Seen[], register: Register): Failed[] {
  const unfit: Failed[] = [];
  const seen = new Map(register.peers.map((peer) => [peer.clusterUid, peer.name]));
  for (const { peer, clusterUid, findings } of looks) {
    const problems = findings.filter(({ ok }) => !ok).map(({ message, hint }) => `${message}${hint === undefined ? '' : ` (${hint})`}`);
    const other = seen.get(clusterUid);
    if (other !== undefined && other !== peer.name)
      problems.push(`is the same cluster as peer ${other} (kube-system has the uid ${clusterUid})`);
    seen.set(clusterUid, peer.name);
    const registered = register.peers.find((candidate) => candidate.name === peer.name);
    if (registered !== undefined && registered.clusterUid !== clusterUid)
      problems.push(`is another cluster than the peer of that name in fabric ${register.fabric}`);
    unfit.push(...problems.map((message): Failed => ({ peer: peer.name, problem: { code: 'conflict', message } })));
  }
  return unfit;
}

function nobodyJoins(failed: readonly Failed[]): FabricError {
  return new FabricError({
    code: 'unready',
    message: `no peer could join:\n  ${failed.map(({ peer, problem }) => `${peer}: ${problem.message}`).join('\n  ')}`,
    hint: 'Mend what is listed, and run the same bootstrap again.',
  });
}

/** The binary, when it is wanted, and the fabric's authority: both on the fabric's own task queue. */
async function prepareWorker(
  run: Run,
  request: BootstrapRequest,
  register: Register,
): Promise<{ certificatePem: string; fingerprint: string; notAfter: string; created: boolean }> {
  const { claimant } = run;
  const { binary, certificates } = request;
  const undo: Undo = { title: 'release fabric authority', call: { activity: 'releaseAuthority', input: { claimant, scope: 'run' } } };
  const [authority] = await together([
    () => run.step({ title: 'ensure fabric authority', undo }, (activities) => activities.ensureAuthority({ claimant, certificates })),
    // A release on the worker's disk is a cache: it touches no cluster, and is not undone.
    async () =>
      binary === undefined
        ? undefined
        : run.step({ title: 'install binary' }, (activities) => activities.installBinary({ options: binary })),
  ]);
  if (authority.created && register.peers.length > 0) {
    throw new FabricError({
      code: 'conflict',
      message: `fabric ${claimant.fabric} has peers, but this worker's key store does not hold its authority`,
      hint: 'Run the worker with the key store that the fabric was bootstrapped with (--key-store, or SKYFABRIC_KEY_STORE).',
    });
  }
  return authority;
}

/** One peer's way into the fabric. Its private key is born in its own cluster's worker and stays there. */
async function joinPeer(run: Run, request: BootstrapRequest, peer: Peer, authorityPem: string): Promise<PeerResult> {
  const { claimant } = run;
  const { fabric, clusterlink, certificates } = request;
  const undo: Undo = { title: 'take back gateway', call: { activity: 'releaseGateway', input: { claimant, peer, scope: 'run' } } };
  const input = { claimant, peer, clusterlink, certificates, authorityPem };
  const prepared = await run.step({ title: 'prepare gateway', peer, undo }, (activities) => activities.prepareGateway(input));
  const { requestPem } = prepared;
  // Signed where the authority's key is: on the fabric's task queue, not the peer's own.
  const signed =
    requestPem === undefined
      ? {}
      : await run.step({ title: 'sign certificate', peer: addressOf(peer) }, (activities) =>
          activities.signPeerCertificate({ fabric, peer: peer.name, requestPem, certificates }),
        );
  const deployed = await run.step({ title: 'deploy gateway', peer, undo }, (activities) =>
    activities.deployGateway({ ...input, ...signed }),
  );
  const { endpoint } = await run.step({ title: 'await gateway', peer, undo }, (activities) =>
    activities.awaitGateway({ fabric, peer, clusterlink }),
  );
  return { peer: peer.name, endpoint, certificate: deployed.certificate, changed: prepared.changed || deployed.changed };
}

/**
 * Drops what was kept for undoing. The fabric stands already, so what cannot be dropped is told and does not fail the run; nor does a
 * cancellation undo it, once something of what that needs is dropped: what is left to drop is owed, and the run ends whole.
 */
async function settle(run: Run, members: readonly Joined[]): Promise<Residue[]> {
  const { claimant } = run;
  const left = await together(
    members.map(({ peer }) => async (): Promise<readonly Residue[]> => {
      try {
        await run.step({ title: 'settle gateway', peer, patience: 'look' }, (activities) => activities.settleGateway({ claimant, peer }));
        return [];
      } catch (error) {
        const why = `what was kept for undoing is still there: ${problemOf(error).message}`;
        const call = { activity: 'settleGateway', input: { claimant, peer } } as const;
        return run.owes(peer, { title: 'settle gateway', call }, why);
      }
    }),
  );
  return left.flat();
}
