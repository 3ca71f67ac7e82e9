// Traffic without a pause, from a workload of a simulated cluster: what is dropped while a fabric is changed, and why.
import type net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { PodIdentity } from '../../src/playground/network';
import type { SimulatedCluster } from '../../src/playground/simulated-cluster';
import { Standstill } from './standstill';

/** Between a caller's answer and its next request: the callers are many, and share the machine with what they call. */
const BREATH_MS = 20;
/** A request that nobody answers for this long counts as dropped. */
const PATIENCE_MS = 20_000;

/** What came of the requests. */
export interface Tally {
  readonly requests: number;
  readonly dropped: number;
  /** Requests that got no answer while the process itself stood still: they tell nothing of the gateways. */
  readonly lost: number;
  /** Requests that each cluster answered. */
  readonly answers: Readonly<Record<string, number>>;
  /** Why requests were dropped, each reason once. */
  readonly reasons: readonly string[];
}

/** Callers that each open a new TCP connection for every request, until they are stopped. */
export class Traffic {
  private readonly answers: Record<string, number> = {};
  private readonly reasons = new Set<string>();
  private readonly standstill = new Standstill();
  private dropped = 0;
  private lost = 0;
  private stopping = false;
  private readonly callers: readonly Promise<void>[];

  constructor(
    private readonly cluster: SimulatedCluster,
    private readonly caller: PodIdentity,
    private readonly url: string,
    callers = 2,
  ) {
    this.callers = Array.from({ length: callers }, () => this.call());
  }

  /** Requests answered so far. */
  get answered(): number {
    return Object.values(this.answers).reduce((sum, count) => sum + count, 0);
  }

  /** Resolves when so many more requests than now have been made, whatever came of them. */
  async more(count: number): Promise<void> {
    const wanted = this.made + count;
    while (this.made < wanted) await delay(BREATH_MS);
  }

  /** Lets no caller begin another request. */
  end(): void {
    this.stopping = true;
  }

  /** Ends the calls, and resolves once each caller has its last answer. */
  async stop(): Promise<Tally> {
    this.end();
    await Promise.all(this.callers);
    this.standstill.stop();
    const { answers, dropped, lost, reasons } = this;
    return { requests: this.made, dropped, lost, answers, reasons: [...reasons] };
  }

  private get made(): number {
    return this.answered + this.dropped + this.lost;
  }

  private async call(): Promise<void> {
    while (!this.stopping) {
      const begun = this.standstill.now();
      try {
        const { body } = await this.cluster.network.fetch(this.caller, this.url, PATIENCE_MS);
        const { cluster } = JSON.parse(body) as { cluster: string };
        this.answers[cluster] = (this.answers[cluster] ?? 0) + 1;
      } catch (error) {
        if (this.standstill.since(begun)) this.lost += 1;
        else {
          this.dropped += 1;
          this.reasons.add(error instanceof Error ? error.message : String(error));
        }
      }
      await delay(BREATH_MS);
    }
  }
}

/** One TCP connection that asks again and again, as long as it lives. */
export class LongConnection {
  private answers = 0;
  private cut = false;
  private closing = false;

  private constructor(private readonly socket: net.Socket) {
    socket
      .on('data', () => {
        this.answers += 1;
        setTimeout(() => this.ask(), BREATH_MS);
      })
      .once('close', () => {
        this.cut = !this.closing;
      });
    this.ask();
  }

  static async open({ network }: SimulatedCluster, caller: PodIdentity, host: string, port: number): Promise<LongConnection> {
    return new LongConnection(await network.dial(caller, host, port));
  }

  /** How many answers came, and whether somebody else has ended the connection. */
  close(): { readonly answers: number; readonly cut: boolean } {
    const { answers, cut } = this;
    this.closing = true;
    this.socket.destroy();
    return { answers, cut };
  }

  private ask(): void {
    if (!this.socket.destroyed) this.socket.write('GET / HTTP/1.1\r\nHost: long\r\n\r\n');
  }
}
