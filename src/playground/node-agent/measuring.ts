// What the pods of a link's measurement run on simulated nodes: the echo server, and the Job that calls it. Their bytes are real.
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { LARGE_BYTES, type MeasureReason } from '../../clusterlink/measure-job';
import { listen } from '../network';
import type { Container, Program, RunningProgram } from './program';

/** A tenth of the script's, as simulated nodes are that much quicker. */
const SETTLE_PAUSE_MS = 20;
const ENOUGH_MS = 100;

const LINE = Buffer.from('as it was sent, so it comes back\n');
/** As the script's: numbers, so that a block which is lost, doubled or moved shows. */
const LARGE = Buffer.from(Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join('')).subarray(0, LARGE_BYTES);

/** The Deployment that src/clusterlink/echo-manifests.ts describes. */
export const loopbackProgram: Program = {
  runs: ({ env }) => env.has('SKYFABRIC_ECHO_PORT'),
  start: async ({ pod, env, network }) => {
    const sockets = new Set<net.Socket>();
    const server = net.createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
      socket.pipe(socket);
    });
    const localPort = await listen(server);
    const unexpose = network.expose({ ip: pod.ip, port: Number(env.get('SKYFABRIC_ECHO_PORT')) }, localPort);
    return {
      stop: () => {
        unexpose();
        server.close();
        for (const socket of sockets) socket.destroy();
      },
    };
  },
};

/** The Job that src/clusterlink/measure-job.ts describes, with the same answers as its shell script. */
export const measureProgram: Program = {
  runs: ({ env }) => env.has('SKYFABRIC_MEASURE_HOST'),
  start: (container) => {
    const sockets = new Set<net.Socket>();
    const stop = new AbortController();
    void measure(container, sockets, stop.signal).then(
      (report) => container.exit(0, report),
      (error: unknown) => container.exit(1, error instanceof Error ? error.message : String(error)),
    );
    const running: RunningProgram = {
      stop: () => {
        stop.abort();
        for (const socket of sockets) socket.destroy();
      },
    };
    return Promise.resolve(running);
  },
};

async function measure({ env, network, pod }: Container, sockets: Set<net.Socket>, signal: AbortSignal): Promise<string> {
  const host = env.get('SKYFABRIC_MEASURE_HOST') ?? '';
  const setting = (name: string): number => Number(env.get(`SKYFABRIC_MEASURE_${name}`) ?? 0);
  /** Sends the payload over a new connection so often, until enough time has passed. */
  const call = async (payload: Buffer, rounds: number, timeoutMs: number): Promise<{ rounds: number; ms: number } | MeasureReason> => {
    let socket: net.Socket;
    const began = performance.now();
    try {
      socket = await network.dial(pod, host, setting('PORT'), setting('TIMEOUT_SECONDS') * 1_000);
    } catch {
      return network.knows(pod.namespace, host) ? 'connect' : 'resolve';
    }
    sockets.add(socket);
    try {
      for (let round = 1; ; round += 1) {
        socket.write(payload);
        const back = await readBack(socket, payload.length, timeoutMs);
        if (typeof back === 'string') return back;
        if (!back.equals(payload)) return 'damaged';
        const ms = performance.now() - began;
        if (round === rounds || ms > ENOUGH_MS) return { rounds: round, ms };
      }
    } finally {
      socket.destroy();
      sockets.delete(socket);
    }
  };
  const settledAt = performance.now() + setting('SETTLE_SECONDS') * 1_000;
  let calls = 0;
  let callsMs = 0;
  while (calls < setting('CALLS')) {
    const answer = await call(LINE, 1, setting('TIMEOUT_SECONDS') * 1_000);
    if (typeof answer === 'object') {
      calls += 1;
      callsMs += answer.ms;
    } else if (calls === 0 && answer !== 'damaged' && performance.now() < settledAt) {
      await sleep(SETTLE_PAUSE_MS, undefined, { signal });
    } else throw new Error(`failed payload=small reason=${answer}`);
  }
  const answer = await call(LARGE, setting('ROUNDS'), setting('TRANSFER_SECONDS') * 1_000);
  if (typeof answer !== 'object') throw new Error(`failed payload=large reason=${answer}`);
  return `ok calls=${calls} calls_ms=${Math.round(callsMs)} rounds=${answer.rounds} rounds_ms=${Math.round(answer.ms)}`;
}

/** So many bytes of what comes now, or why they did not come. */
function readBack(socket: net.Socket, length: number, timeoutMs: number): Promise<Buffer | 'reset' | 'silent'> {
  if (socket.destroyed) return Promise.resolve('reset');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let missing = length;
    const settle = (answer: Buffer | 'reset' | 'silent'): void => {
      clearTimeout(timer);
      socket.off('data', take).off('close', end);
      resolve(answer);
    };
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      missing -= chunk.length;
      if (missing <= 0) settle(Buffer.concat(chunks));
    };
    const end = (): void => settle('reset');
    const timer = setTimeout(() => settle('silent'), timeoutMs);
    socket.on('data', take).once('close', end);
  });
}
