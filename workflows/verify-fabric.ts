// VerifyFabric: bytes on every connection, and there and back over every link, both ways. What it makes for that goes with it.
import { isCancellation } from '@temporalio/workflow';
import type { RegisteredConnection, RegisteredPeer } from '../src/contract/register';
import type { ConnectionProof, LinkMeasure, LinkProof, VerifyResult } from '../src/contract/results';
import type { Problem } from '../src/contract/status';
import { claimIdOf, isClaimOf } from '../src/contract/workflow-ids';
import { FabricError } from '../src/errors/fabric-error';
import type { Claimant } from '../src/model/claimant';
import { DEFAULT_PROBE_IMAGE, type Access, type Service } from '../src/model/connection';
import { verifyRequest, type VerifyRequest } from '../src/model/requests';
import { lookAtEach } from './looks';
import { problemOf } from './problem';
import { membersOf } from './register';
import { addressOf } from './place';
import { asRun, type Run } from './run';
import type { Undo } from './undo';
import { together } from './together';
import { Turns } from './turns';
import { wantedProofs, type Direction, type WantedImport } from './wanted-proofs';

/** Where the echo servers listen. */
const ECHO_PORT = 7007;

/** Probes of connections at a time on one peer: each is a pod. */
const PROBES_ON_A_PEER = 4;

/** Input: `VerifyRequest`. @throws unreachable when any proof failed; the failure's `result` tells of all */
export async function VerifyFabric(input: unknown): Promise<VerifyResult> {
  return asRun('VerifyFabric', 'verification', verifyRequest, input, async (run, request) => {
    const { register, members } = await membersOf(run, request.peers ?? []);
    const wanted = wantedProofs(register, request);
    const peers = wanted.peers.flatMap((name) => members.get(name) ?? []);
    run.touches(wanted.peers);
    const { failures } = await lookAtEach(peers, async (peer) => {
      await removeRemains(run, peer);
      await run.recordInventory(peer);
    });
    const verifying = new Verifying(run, request, members, new Map(failures.map(({ peer, error }) => [peer, problemOf(error)])));
    const connections = await verifying.connections(wanted.imports);
    const links = await verifying.links(wanted.directions);
    const result: VerifyResult = { fabric: request.fabric, links, connections };
    const residue = (await Promise.all(wanted.peers.map((peer) => run.rollBackPeer(peer)))).flat();
    run.findings = { result };
    refuseFailed(result);
    if (residue.length > 0) {
      throw new FabricError({
        code: 'residue',
        message: `all bytes flowed, but not everything made for that could be removed:\n  ${residue.map(({ peer, object, why }) => `${peer}: ${object}: ${why}`).join('\n  ')}`,
        hint: 'Mend what is listed and remove it by hand; it has the labels of the fabric.',
      });
    }
    return result;
  });
}

/** Removes what an earlier verification has left that was terminated: there is one workflow of this id at a time, so nobody needs it. */
async function removeRemains(run: Run, place: RegisteredPeer): Promise<void> {
  const { claimant } = run;
  const peer = addressOf(place);
  const step = { peer: place, patience: 'look' } as const;
  const { claims } = await run.step({ ...step, title: 'look for remains' }, (activities) =>
    activities.observeClaims({ fabric: claimant.fabric, peer, selection: {} }),
  );
  const remains = claims.filter(({ claim, by }) => isClaimOf('verification', claim) && by === claimant.by).map(({ claim }) => claim);
  if (remains.length > 0) {
    run.takesAway(remains);
    const input = { claimant, peer, scope: 'claim', selection: { claims: [...new Set(remains)] } } as const;
    await run.step({ ...step, title: 'remove remaining imports' }, (activities) => activities.releaseImports(input));
    await run.step({ ...step, title: 'remove remaining exports' }, (activities) => activities.releaseExports(input));
  }
  await run.step({ ...step, title: 'remove remaining echo servers' }, (activities) =>
    activities.removeEcho({ claimant, peer, of: 'earlier-runs' }),
  );
}

function refuseFailed({ links, connections }: VerifyResult): void {
  const failed = [
    ...connections.flatMap((proof) => (proof.ok ? [] : [`${nameOf(proof.service)} on ${proof.peer}: ${proof.problem.message}`])),
    ...links.flatMap((proof) => (proof.ok ? [] : [`${proof.from} to ${proof.to}: ${proof.problem.message}`])),
  ];
  if (failed.length === 0) return;
  throw new FabricError({
    code: 'unreachable',
    message: `${failed.length} of ${links.length + connections.length} proofs failed:\n  ${failed.join('\n  ')}`,
    hint: 'See `skyfabric status` for links and connections; `skyfabric diagnose` collects what the clusters tell.',
  });
}

/** What a proof gave, or why there is none. */
type Outcome<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly problem: Problem };

/** One run's proofs; that one fails stops no other. */
class Verifying {
  private readonly image: string;

  constructor(
    private readonly run: Run,
    private readonly request: VerifyRequest,
    private readonly members: ReadonlyMap<string, RegisteredPeer>,
    /** Peers that cannot be looked at. */
    private readonly away: ReadonlyMap<string, Problem>,
  ) {
    this.image = request.image ?? DEFAULT_PROBE_IMAGE;
  }

  /** Opens every import from a pod that its policy admits. */
  async connections(imports: readonly WantedImport[]): Promise<ConnectionProof[]> {
    this.run.beginStage();
    const turns = new Turns(PROBES_ON_A_PEER);
    return together(
      imports.map(({ connection, importer, sources }) => async () => ({
        connection: connection.id,
        service: connection.service,
        peer: importer,
        ...(await turns.take([importer], () =>
          this.proof([importer], () => this.verifyImport(connection, this.member(importer), sources)),
        )),
      })),
    );
  }

  /** Measures every direction; a gateway carries one measurement at a time, so that none slows another down. */
  async links(directions: readonly Direction[]): Promise<LinkProof[]> {
    this.run.beginStage();
    const turns = new Turns(1);
    const proofs = await together(
      [...new Set(directions.map(({ to }) => to))].map((to) => async () => {
        const callers = directions.filter((one) => one.to === to).map(({ from }) => from);
        const offer = await this.proof([to], () => this.offerEcho(this.member(to), callers));
        if (!offer.ok) return callers.map((from) => ({ from, to, ...offer }));
        return together(
          callers.map((from) => async () => {
            const measured = await this.proof([from], async () => {
              await this.importEcho(this.member(from), to, offer);
              return turns.take([from, to], () => this.measure(this.member(from), to, offer));
            });
            return { from, to, ...measured };
          }),
        );
      }),
    );
    return directions.flatMap(({ from, to }) => proofs.flat().filter((proof) => proof.from === from && proof.to === to));
  }

  private async verifyImport(connection: RegisteredConnection, place: RegisteredPeer, sources: readonly string[]) {
    const { id, service, access } = connection;
    const { image } = this.request;
    const verify = connection.verify.mode === 'status' || image === undefined ? connection.verify : { ...connection.verify, image };
    const claimant = this.claimant(id);
    const peer = addressOf(place);
    const options = {
      title: `verify ${nameOf(service)}`,
      peer: place,
      patience: 'measure',
      undo: this.removing(place, claimant, service, access),
    } as const;
    return this.run.step(options, (activities) =>
      activities.verifyConnection({ claimant, peer, service, access, verify, sources, connection: id }),
    );
  }

  /** An echo server on the exporting peer, offered to the importing ones. */
  private async offerEcho(place: RegisteredPeer, importers: readonly string[]): Promise<Echo> {
    const { run, image } = this;
    const claimant = this.claimant(place.name);
    const service = { name: claimant.id, namespace: place.namespace, port: ECHO_PORT };
    const access: Access = {
      mode: 'service',
      clients: { namespace: service.namespace, labels: { 'skyfabric-verify': claimant.id } },
      privileged: false,
    };
    const peer = addressOf(place);
    const removeEcho: Undo = { title: 'remove echo server', call: { activity: 'removeEcho', input: { claimant, peer, of: 'claim' } } };
    await run.step({ title: 'start echo server', peer: place, undo: removeEcho }, (activities) =>
      activities.ensureEcho({ claimant, peer, service, image }),
    );
    const undo: Undo = {
      title: 'withdraw echo server',
      call: { activity: 'releaseExports', input: { claimant, peer, scope: 'claim', selection: { service } } },
    };
    await run.step({ title: 'export echo server', peer: place, undo }, (activities) =>
      activities.ensureExport({ claimant, peer, service, importers, adopt: false }),
    );
    await run.step({ title: 'admit callers of the echo server', peer: place, undo }, (activities) =>
      activities.ensureAccess({ claimant, peer, service, sources: [], importers, access, adopt: false }),
    );
    return { claimant, service, access };
  }

  private async importEcho(place: RegisteredPeer, from: string, { claimant, service, access }: Echo): Promise<void> {
    const peer = addressOf(place);
    const sources = [from];
    const undo: Undo = {
      title: `withdraw echo server of ${from}`,
      call: { activity: 'releaseImports', input: { claimant, peer, scope: 'claim', selection: { service } } },
    };
    await this.run.step({ title: `import echo server of ${from}`, peer: place, undo }, (activities) =>
      activities.ensureImport({ claimant, peer, service, sources, loadBalancing: 'round-robin', merge: false, adopt: false }),
    );
    await this.run.step({ title: `admit callers of ${from}`, peer: place, undo }, (activities) =>
      activities.ensureAccess({ claimant, peer, service, sources, importers: [], access, adopt: false }),
    );
  }

  private async measure(place: RegisteredPeer, to: string, { claimant, service, access }: Echo): Promise<LinkMeasure> {
    const options = {
      title: `measure the way to ${to}`,
      peer: place,
      patience: 'measure',
      undo: this.removing(place, claimant, service, access),
    } as const;
    const { latencyMs, bytesPerSecond, bytes } = await this.run.step(options, (activities) =>
      activities.measureLink({ claimant, peer: addressOf(place), service, access, sources: [to], image: this.image }),
    );
    return { latencyMs, bytesPerSecond, bytes };
  }

  /** Takes away what a probe may have left. */
  private removing(place: RegisteredPeer, claimant: Claimant, service: Service, access: Access): Undo {
    const peer = addressOf(place);
    return { title: 'remove probe', tidies: true, call: { activity: 'removeProbe', input: { claimant, peer, service, access } } };
  }

  /** Says why there is no proof instead of failing. @param peers those that it takes */
  private async proof<T extends object>(peers: readonly string[], work: () => Promise<T>): Promise<Outcome<T>> {
    const problem = peers.map((peer) => this.away.get(peer)).find((one) => one !== undefined);
    if (problem !== undefined) return { ok: false, problem };
    try {
      return { ok: true, ...(await work()) };
    } catch (error) {
      if (isCancellation(error)) throw error;
      return { ok: false, problem: problemOf(error) };
    }
  }

  /** Each thing that is verified is claimed by itself, as policies and probes are named after their claim; and anew in each run, as DNS remembers names. */
  private claimant(what: string): Claimant {
    const { by, run } = this.run.claimant;
    const id = claimIdOf('verification', `${by} ${run} ${what}`);
    this.run.takesAway([id]);
    return { ...this.run.claimant, id };
  }

  private member(name: string): RegisteredPeer {
    const member = this.members.get(name);
    if (member === undefined) throw new FabricError({ code: 'internal', message: `${name} is no peer of the fabric.` });
    return member;
  }
}

interface Echo {
  readonly claimant: Claimant;
  readonly service: Service;
  readonly access: Access;
}

function nameOf({ namespace, name }: Service): string {
  return `${namespace}/${name}`;
}
