// The workloads that simulated pods really run: an echo server, and the probe that shows whether a connection works.
import http from 'node:http';
import type net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from '../network';
import type { Container, Program, RunningProgram } from './program';
import { imageName } from './program';

/** Image of the echo server. */
export const ECHO_IMAGE = 'playground/echo:1';
/** Port of the echo server's container, unless its spec names another one. */
export const ECHO_PORT = 8_080;

const DEFAULT_PROBE_TIMEOUT_SECONDS = 5;
/** A tenth of the script's, as simulated nodes are that much quicker. */
const SETTLE_PAUSE_MS = 50;

/** A real HTTP server that says which cluster and pod answers: `{"cluster":"west","pod":"echo-…"}`. */
export function echoProgram(cluster: string): Program {
  return {
    runs: ({ image }) => imageName(image) === imageName(ECHO_IMAGE),
    start: async ({ pod, ports, network }) => {
      const server = http.createServer((_, response) => {
        response.setHeader('content-type', 'application/json');
        response.end(`${JSON.stringify({ cluster, pod: pod.name })}\n`);
      });
      const localPort = await listen(server);
      const unexpose = network.expose({ ip: pod.ip, port: ports[0] ?? ECHO_PORT }, localPort);
      return {
        stop: () => {
          unexpose();
          server.close();
          server.closeAllConnections();
        },
      };
    },
  };
}

/** The Job that src/clusterlink/probe-job.ts describes, with the same answers as its shell script. */
export const probeProgram: Program = {
  runs: ({ env }) => env.has('SKYFABRIC_PROBE_HOST'),
  start: (container) => {
    const sockets = new Set<net.Socket>();
    void probe(container, sockets).then(
      (bytes) => container.exit(0, `ok bytes=${bytes}`),
      (error: unknown) => container.exit(1, error instanceof Error ? error.message : String(error)),
    );
    const running: RunningProgram = {
      stop: () => {
        for (const socket of sockets) socket.destroy();
      },
    };
    return Promise.resolve(running);
  },
};

async function probe({ env, network, pod }: Container, sockets: Set<net.Socket>): Promise<number> {
  const host = env.get('SKYFABRIC_PROBE_HOST') ?? '';
  const timeoutMs = Number(env.get('SKYFABRIC_PROBE_TIMEOUT_SECONDS') ?? DEFAULT_PROBE_TIMEOUT_SECONDS) * 1_000;
  const connectMs = Number(env.get('SKYFABRIC_PROBE_CONNECT_SECONDS') ?? DEFAULT_PROBE_TIMEOUT_SECONDS) * 1_000;
  const open = async (): Promise<number | string> => {
    let socket: net.Socket;
    try {
      socket = await network.dial(pod, host, Number(env.get('SKYFABRIC_PROBE_PORT')), connectMs);
    } catch {
      return network.knows(pod.namespace, host) ? 'connect' : 'resolve';
    }
    sockets.add(socket);
    const answer = await firstBytes(socket, `GET / HTTP/1.0\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, timeoutMs);
    socket.destroy();
    return answer;
  };
  let settle = Number(env.get('SKYFABRIC_PROBE_SETTLE_TRIES') ?? 0);
  let total = 0;
  for (let attempt = 1; attempt <= Number(env.get('SKYFABRIC_PROBE_COUNT') ?? 1); attempt += 1) {
    const began = performance.now();
    const answer = await open();
    if (typeof answer === 'number') total += answer;
    else if (total === 0 && settle > 0 && answer !== 'silent') {
      // As the script counts: one that nobody answered has waited long.
      settle -= answer === 'connect' && performance.now() - began >= connectMs ? 10 : 1;
      attempt = 0;
      await sleep(SETTLE_PAUSE_MS);
    } else throw new Error(`failed attempt=${attempt} reason=${answer}`);
  }
  return total;
}

/** How many bytes came first, or why none did. */
function firstBytes(socket: net.Socket, request: string, timeoutMs: number): Promise<number | 'reset' | 'silent'> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('silent'), timeoutMs);
    const settle = (answer: number | 'reset'): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    socket.once('data', (chunk: Buffer) => settle(chunk.length));
    socket.once('end', () => settle('reset')).once('close', () => settle('reset'));
    socket.write(request);
  });
}
