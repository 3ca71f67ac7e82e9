// What scenarios work with: the clusters, runs of the fabric's workflows, timed steps, and calls from inside the clusters.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { followRun, type BadEnd, type RunEnd } from '../../src/cli/follow-run';
import { uncoloured } from '../../src/cli/paint';
import { failureText } from '../../src/cli/run-report';
import type { RunKind, Runs } from '../../src/contract/runs';
import type { Cluster } from '../../src/kubernetes/cluster';
import type { PeerInput } from '../../src/model/peer';
import type { BootstrapRequestInput, ConnectRequestInput } from '../../src/model/requests';
import type { TemporalTarget } from '../../src/temporal/connection';
import { startRun } from '../../src/temporal/runs';
import { beginCalls, type RunningCalls, type Tally } from './caller';
import { differences, takeEverything, type Everything } from '../support/everything';
import type { Journal } from './journal';
import { PEERS, type Combination, type E2eOptions, type PeerName } from './options';
import { ECHO, NAMESPACE } from './workloads';

/** The fabric of all scenarios. */
export const FABRIC = 'e2e';

/** Controllers clear away what belonged to removed objects a little later. */
const SETTLE_TIMEOUT_MS = 60_000;
const SETTLE_PAUSE_MS = 500;

/** Part of the run; scenarios come in the order of their list. */
export interface Scenario {
  readonly name: string;
  play(world: World): Promise<void>;
}

/** All that one combination of data plane and mode is tried on. */
export interface WorldParts {
  readonly options: E2eOptions;
  readonly combination: Combination;
  readonly clusters: Readonly<Record<PeerName, Cluster>>;
  readonly client: Client;
  /** The Temporal server of the client. */
  readonly target: TemporalTarget;
  readonly journal: Journal;
  /** Every object of each cluster before anything is done. */
  readonly before: Readonly<Record<PeerName, Everything>>;
  /** Where the worker keeps authorities. */
  readonly keyDirectory: string;
  /** Somebody wants it to end. */
  readonly interruption: AbortSignal;
}

export class World {
  private scenario = '';

  constructor(readonly parts: WorldParts) {}

  async play(scenario: Scenario): Promise<void> {
    this.scenario = scenario.name;
    await scenario.play(this);
  }

  cluster(peer: PeerName): Cluster {
    return this.parts.clusters[peer];
  }

  step<T>(what: string, act: () => Promise<T>): Promise<T> {
    return this.parts.journal.step({ ...this.parts.combination, scenario: this.scenario }, what, act);
  }

  /** Tells what a step found. */
  tell(line: string): void {
    this.parts.journal.tell(line);
  }

  peer(name: PeerName): PeerInput {
    const { options } = this.parts;
    return { name, context: options.contexts[name], kubeconfig: options.kubeconfig, ingress: { type: options.ingress } };
  }

  /** All three peers, linked round the hub, with gateways of this combination. */
  bootstrapRequest(): BootstrapRequestInput {
    return {
      fabric: FABRIC,
      peers: PEERS.map((name) => this.peer(name)),
      links: { kind: 'hub-and-spoke', hub: 'hub' },
      clusterlink: this.parts.combination,
    };
  }

  /** The echo service, to be called from the hub. */
  connectRequest(from: readonly PeerName[]): ConnectRequestInput {
    return { fabric: FABRIC, service: ECHO, from: [...from], to: ['hub'] };
  }

  /** Carries out a run to its end, whatever it is; an interruption cancels it. */
  async run<K extends RunKind>(kind: K, input: Runs[K]['input']): Promise<RunEnd<Runs[K]['result']>> {
    const { client } = this.parts;
    const { handle } = await startRun(client, kind, input);
    return followRun<Runs[K]['result']>(client, handle, {
      view: { update: () => undefined, note: () => undefined, end: () => undefined },
      interrupt: 'cancel',
      onSignal: (signals, listener) => {
        for (const signal of signals) process.on(signal, listener);
        return () => signals.forEach((signal) => process.off(signal, listener));
      },
    });
  }

  /** Carries out a run that must succeed. */
  async succeed<K extends RunKind>(kind: K, input: Runs[K]['input']): Promise<Runs[K]['result']> {
    const end = await this.run(kind, input);
    if (end.outcome === 'done') return end.result;
    throw new Error(`${kind}: ${'problem' in end ? failureText(end.outcome, end.problem, end.rollback, uncoloured) : end.outcome}`);
  }

  /** Carries out a run that must fail. */
  async fail<K extends RunKind>(kind: K, input: Runs[K]['input']): Promise<BadEnd> {
    const end = await this.run(kind, input);
    assert(end.outcome === 'failed', `${kind} should have failed, but is ${end.outcome}`);
    return end;
  }

  /** Begins to call a service on the hub, the echo service unless another one is named. */
  beginCalls(count: number, calls: { name?: string; labels?: Record<string, string>; pauseSeconds?: number } = {}): Promise<RunningCalls> {
    const { name = ECHO.name, ...more } = calls;
    return beginCalls(this.cluster('hub'), { namespace: NAMESPACE, url: `http://${name}:${ECHO.port}/`, count, ...more });
  }

  async call(count: number, calls: Parameters<World['beginCalls']>[1] = {}): Promise<Tally> {
    return (await this.beginCalls(count, calls)).tally();
  }

  /** Waits until a cluster holds exactly what it held at an earlier time. */
  async expectSame(peer: PeerName, before: Everything): Promise<void> {
    const deadline = Date.now() + SETTLE_TIMEOUT_MS;
    for (;;) {
      const different = differences(before, await takeEverything(this.cluster(peer)));
      if (different.length === 0) return;
      if (Date.now() > deadline) assert.fail(`the cluster of ${peer} is not as it was:\n    ${different.join('\n    ')}`);
      await delay(SETTLE_PAUSE_MS);
    }
  }

  /** Waits until all clusters hold exactly what they held before anything was done. */
  async expectAsBefore(): Promise<void> {
    await Promise.all(PEERS.map((peer) => this.expectSame(peer, this.parts.before[peer])));
  }
}
