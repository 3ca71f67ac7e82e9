// The show: the main job, part by part, on simulated clusters. Each part checks what it shows.
import { prepareRun, type RunKind, type Runs } from '../../contract/runs';
import { diffInventory, takeInventory } from '../../kubernetes/inventory';
import type { InventoryEntry } from '../../model/claimant';
import { startRun } from '../../temporal/runs';
import { followRun, type RunEnd } from '../follow-run';
import type { ProgressView } from '../progress';
import { failureText } from '../run-report';
import { span } from '../table';
import { runUrl } from '../ui-url';
import { CALLERS, type Cast, FABRIC, SERVICE } from './cast';
import { fabricRequest, peerOn } from './fabric-request';
import { type Narrator, UNSEEN } from './narrator';
import type { Stage } from './stage';
import { CALLS, callService, SERVICE_URL, tallyText } from './traffic';

/** Four attempts fit and a fifth would have too little time, so the failure comes after 3.5 seconds of retries. */
const FAULTY_STEP_DEADLINE = '9s';

interface ShownRun {
  readonly title: string;
  readonly outcome: string;
  readonly url: string;
  readonly ms: number;
}

/** What the rest of the show builds upon has failed. */
class ShowOver extends Error {}

/** One performance. */
export class Show {
  private readonly runs: ShownRun[] = [];

  constructor(
    private readonly stage: Stage,
    private readonly cast: Cast,
    private readonly narrator: Narrator,
    /** Ends the show at once. */
    private readonly signal: AbortSignal,
  ) {}

  /** Plays all parts; the narrator remembers what was not as it should be. @throws the signal's reason */
  async play(): Promise<void> {
    try {
      const delaysBefore = this.delays();
      const began = Date.now();
      await this.bootstrap();
      await this.connect();
      const connectedMs = Date.now() - began;
      const delays = this.delays();
      await this.callAdmitted();
      await this.callRefused();
      await this.unlink();
      await this.failAndRollBack();
      this.whereToLook();
      this.narrator.say(
        `From bootstrap to connected: ${span(connectedMs)}. The simulated delays in it add up to ${span(delays.podStartMs - delaysBefore.podStartMs)}: ${delays.podStarts - delaysBefore.podStarts} pods that take a while to start.`,
      );
    } catch (error) {
      if (!(error instanceof ShowOver)) throw error;
      this.whereToLook();
    }
  }

  private async bootstrap(): Promise<void> {
    const { peers, hub } = this.cast;
    const spokes = peers.filter((peer) => peer !== hub);
    this.narrator.part(
      'Bare clusters become a fabric (BootstrapFabric)',
      `${listed(peers)} get a gateway each, certified by one authority; ${listed(spokes)} are linked to ${hub}.`,
    );
    const result = await this.mustRun('BootstrapFabric', fabricRequest(this.stage.clusters, this.cast));
    const asWanted = result.peers.length === peers.length && result.links.length === spokes.length;
    this.narrator.check(
      asWanted,
      `${result.peers.length} peers, ${result.links.length} links`,
      `${peers.length} peers, ${spokes.length} links`,
    );
  }

  private async connect(): Promise<void> {
    const { exporters, hub } = this.cast;
    this.narrator.part(
      'A service is connected across them (ConnectServiceAcrossClusters)',
      `${SERVICE.name} runs on ${listed(exporters)}, and is to be called from ${hub}, by workloads labelled app=${CALLERS.admitted} only.`,
    );
    await this.mustRun('ConnectServiceAcrossClusters', {
      fabric: FABRIC,
      service: SERVICE,
      from: [...exporters],
      to: [hub],
      access: { clients: { labels: { app: CALLERS.admitted } } },
    });
  }

  private async callAdmitted(): Promise<void> {
    const [first, second] = this.cast.exporters;
    await this.expectTraffic('balanced', CALLERS.admitted, { [first]: CALLS / 2, [second]: CALLS / 2 });
  }

  private async callRefused(): Promise<void> {
    const { hub } = this.cast;
    this.narrator.part('Access is denied to all others', `${CALLERS.refused}, in the same namespace on ${hub}, calls the same service.`);
    await this.expectTraffic('denied', CALLERS.refused, {});
  }

  private async unlink(): Promise<void> {
    const { hub, exporters } = this.cast;
    const [first, second] = exporters;
    const { narrator } = this;
    narrator.part(
      'Links are taken down (TeardownLink)',
      `First the one between ${hub} and ${first}: traffic shifts to ${second}. Then the other: it stops.`,
    );
    const refused = await this.run('TeardownLink', { fabric: FABRIC, peers: [hub, first] }, UNSEEN);
    const problem = refused.outcome === 'failed' ? refused.problem : undefined;
    narrator.check(
      problem?.code === 'in_use',
      `without force: ${problem?.message ?? refused.outcome} [${problem?.code ?? 'no problem'}]`,
      'in_use',
    );
    narrator.write('');
    await this.mustRun('TeardownLink', { fabric: FABRIC, peers: [hub, first], force: true });
    await this.expectTraffic('shifted', CALLERS.admitted, { [second]: CALLS });
    narrator.write('');
    await this.mustRun('TeardownLink', { fabric: FABRIC, peers: [hub, second], force: true });
    await this.expectTraffic('stopped', CALLERS.admitted, {});
  }

  private async failAndRollBack(): Promise<void> {
    const { hub, newcomer } = this.cast;
    const { stage, narrator } = this;
    narrator.part(
      'A bootstrap fails, and is rolled back',
      `${newcomer} joins, linked to ${hub}. A fault is injected: ${newcomer}'s API server answers 500 to every Peer that it is to store.`,
    );
    const fault = stage.faults.add({
      match: { server: newcomer, resource: 'peers', method: /^(POST|PUT|PATCH)$/ },
      fault: 'error-before',
      times: Infinity,
    });
    const peers = [hub, newcomer];
    const before = await this.inventories(peers);
    const end = await this.run('BootstrapFabric', {
      fabric: FABRIC,
      peers: peers.map((name) => peerOn(stage.clusters, name)),
      deadlines: { step: FAULTY_STEP_DEADLINE },
    });
    fault.remove();
    const after = await this.inventories(peers);
    this.sayFailure(end);
    narrator.write('');
    const rollback = end.outcome === 'failed' ? end.rollback : undefined;
    narrator.check(
      rollback?.failedPeer === newcomer && fault.fired() > 0,
      `the run ${end.outcome}, by ${fault.fired()} injected faults`,
      `failed, at ${newcomer}`,
    );
    narrator.check(rollback?.residue.length === 0, `residue: ${rollback?.residue.length ?? 'unknown'}`, 'residue: 0');
    peers.forEach((name, index) => {
      const [earlier, later] = [before[index] ?? [], after[index] ?? []];
      const { added, removed, changed } = diffInventory(earlier, later);
      const differing = [...added, ...removed, ...changed];
      narrator.check(
        differing.length === 0,
        `${name}: ${earlier.length} objects of the fabric before, ${later.length} after, ${differing.length} of them different`,
        `the same objects; different are ${differing.join(', ')}`,
      );
    });
  }

  private whereToLook(): void {
    const { stage, narrator, runs } = this;
    narrator.part('Where to look', `Temporal UI: ${stage.uiUrl}`);
    for (const { title, outcome, url, ms } of runs) narrator.say(`${title}: ${outcome} after ${span(ms)}`, `  ${url}`);
    narrator.write('');
    const incidents = stage.clusters.clusters.flatMap((cluster) =>
      cluster.incidents().map(({ kind, object }) => `${cluster.name} ${kind} ${object}`),
    );
    narrator.check(incidents.length === 0, `what would have harmed a real gateway: ${incidents.join(', ') || 'nothing'}`, 'nothing');
  }

  /** Carries out a run that the rest of the show builds upon. @throws ShowOver when it fails */
  private async mustRun<K extends RunKind>(kind: K, input: Runs[K]['input']): Promise<Runs[K]['result']> {
    const end = await this.run(kind, input);
    this.narrator.write('');
    if (end.outcome === 'done') return end.result;
    this.sayFailure(end);
    this.narrator.check(false, `${kind}: ${end.outcome}`, 'done');
    throw new ShowOver();
  }

  private async run<K extends RunKind>(kind: K, input: Runs[K]['input'], view?: ProgressView): Promise<RunEnd<Runs[K]['result']>> {
    const { stage, signal } = this;
    signal.throwIfAborted();
    const { summary } = prepareRun(kind, input);
    const began = Date.now();
    const { workflowId, runId, handle } = await startRun(stage.client, kind, input);
    const end = await followRun<Runs[K]['result']>(stage.client, handle, {
      view: view ?? this.narrator.runView(`${kind}: ${summary}`),
      // The run goes down with its server and its clusters: nothing is left that it could be undone for.
      interrupt: 'detach',
      onSignal: (_, listener) => {
        signal.addEventListener('abort', listener);
        return () => signal.removeEventListener('abort', listener);
      },
    });
    signal.throwIfAborted();
    this.runs.push({
      title: summary,
      outcome: end.outcome,
      url: runUrl(stage.uiUrl, stage.namespace, workflowId, runId),
      ms: Date.now() - began,
    });
    return end;
  }

  private sayFailure(end: RunEnd<unknown>): void {
    if ('problem' in end) this.narrator.write(failureText(end.outcome, end.problem, end.rollback, this.narrator.paint));
  }

  /** @param expected answers by cluster; none: no call is to be answered */
  private async expectTraffic(what: string, caller: string, expected: Readonly<Record<string, number>>): Promise<void> {
    const { hub } = this.cast;
    const tally = await callService(this.stage.clusters.cluster(hub), caller, this.signal);
    const seen = tallyText(tally);
    const wanted = tallyText({ answers: expected, failures: 0, lastFailure: '' });
    const asExpected = wanted === '' ? tally.failures === CALLS : seen === wanted;
    this.narrator.check(asExpected, `${what}: ${CALLS} calls of ${SERVICE_URL} from ${caller} on ${hub}: ${seen}`, wanted || 'no answer');
  }

  private inventories(names: readonly string[]): Promise<InventoryEntry[][]> {
    return Promise.all(
      names.map((name) => takeInventory(this.stage.clusters.cluster(name).client, { fabric: FABRIC, signal: this.signal })),
    );
  }

  private delays(): { readonly podStarts: number; readonly podStartMs: number } {
    const all = this.stage.clusters.clusters.map((cluster) => cluster.delays());
    const sum = (key: 'podStarts' | 'podStartMs'): number => all.reduce((total, delays) => total + delays[key], 0);
    return { podStarts: sum('podStarts'), podStartMs: sum('podStartMs') };
  }
}

/** `west, south and east`. */
function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;
}
