// Starts Temporal's dev server (server, UI, optional database file) as a child process. The SDK can start one as well,
// but in our process group, where Ctrl-C would end it before a rollback is through, and it gives up after 5 seconds.
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import { SEARCH_ATTRIBUTES } from '../contract/search-attributes';
import { FabricError } from '../errors/fabric-error';
import { errorText } from './command';

export interface DevServerOptions {
  /** Path of the Temporal CLI, from findTemporalCli. */
  readonly binary: string;
  /** Default: a free one. */
  readonly port?: number | undefined;
  /** Default: a free one. */
  readonly uiPort?: number | undefined;
  /** Default: `127.0.0.1`. */
  readonly ip?: string;
  /** Keeps everything in this file. Default: in memory, gone with the server. */
  readonly dbFilename?: string | undefined;
  /** Created at start. Default: `default`. */
  readonly namespace?: string;
  /** Of the server's own log, of which the last lines are kept for error messages. Default: `error`. */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
  /** Further arguments of `temporal server start-dev`. */
  readonly extraArgs?: readonly string[];
  readonly onProgress?: ((text: string) => void) | undefined;
}

export interface DevServer {
  /** `host:port` for clients and workers. */
  readonly address: string;
  readonly uiUrl: string;
  readonly namespace: string;
  readonly pid: number;
  /** Ends the server and resolves when its process is gone; may be called more than once. */
  close(): Promise<void>;
}

/** A cold start takes under a second; a loaded machine may need many. */
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
/** The server drains for about a second before it closes its database. */
const STOP_TIMEOUT_MS = 10_000;
const LOG_TAIL_LENGTH = 4_000;

/**
 * Starts a dev server with our search attributes and waits until its frontend and its UI answer. It ends with this
 * process, however that ends, and is out of reach of the terminal's Ctrl-C.
 *
 * @throws `conflict` when a given port is taken; `unavailable` when the server stops or does not answer.
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const { ip = '127.0.0.1', namespace = 'default' } = options;
  const [port, uiPort] = await Promise.all([pickPort(ip, options.port), pickPort(ip, options.uiPort)]);
  options.onProgress?.(`Starting Temporal's dev server on ${ip}:${port}`);
  const child = spawn(options.binary, startArguments(options, ip, namespace, port, uiPort), {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const stopped = new AbortController();
  const ended = awaitEnd(child);
  void ended.then(() => stopped.abort());
  endWithUs(child, stopped.signal);
  const close = async (): Promise<void> => {
    // Only a server that writes to a file has anything to put in order; draining takes it a second.
    child.kill(options.dbFilename === undefined ? 'SIGKILL' : 'SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };
  try {
    await awaitAnswer(ip, [port, uiPort], namespace, AbortSignal.any([stopped.signal, AbortSignal.timeout(START_TIMEOUT_MS)]));
  } catch (error) {
    const reason = stopped.signal.aborted
      ? `stopped while it started: ${await ended}`
      : `did not answer within ${START_TIMEOUT_MS / 1000} s`;
    await close();
    throw new FabricError({
      code: 'unavailable',
      message: `Temporal's dev server on ${ip}:${port} ${reason}`,
      hint: `Try it by hand: ${options.binary} server start-dev`,
      cause: error,
    });
  }
  // A child that answers has a pid.
  return { address: `${ip}:${port}`, uiUrl: `http://${ip}:${uiPort}`, namespace, pid: child.pid ?? 0, close };
}

function startArguments(options: DevServerOptions, ip: string, namespace: string, port: number, uiPort: number): string[] {
  return [
    ...['server', 'start-dev', '--ip', ip, '--port', String(port), '--ui-port', String(uiPort), '--namespace', namespace],
    ...['--log-level', options.logLevel ?? 'error'],
    ...(options.dbFilename === undefined ? [] : ['--db-filename', options.dbFilename]),
    ...SEARCH_ATTRIBUTES.flatMap(({ name, type }) => ['--search-attribute', `${name}=${TypedSearchAttributes.toMetadataType(type)}`]),
    ...(options.extraArgs ?? []),
  ];
}

/** Resolves, when the process has ended or did not start, with the last thing it said. */
function awaitEnd(child: ChildProcessByStdio<null, null, Readable>): Promise<string> {
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-LOG_TAIL_LENGTH);
  });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => {
      resolve(
        log
          .trim()
          .split('\n')
          .at(-1)
          ?.replace(/^Error: /, '') || `it ended with ${signal ?? `exit code ${code}`}`,
      );
    });
  });
}

/** Ends the child when we are gone, even by SIGKILL: a shell reads a pipe that only we hold open, and then ends it. */
function endWithUs(child: ChildProcess, childStopped: AbortSignal): void {
  if (child.pid === undefined) return;
  const watchdog = spawn('/bin/sh', ['-c', 'read -r _; kill "$1"', 'watchdog', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watchdog.on('error', () => undefined); // Without a shell the server merely outlives a SIGKILL.
  childStopped.addEventListener('abort', () => watchdog.kill('SIGKILL'), { once: true });
}

async function awaitAnswer(ip: string, ports: readonly number[], namespace: string, gaveUp: AbortSignal): Promise<void> {
  for (const port of ports) {
    while (!(await accepts(ip, port))) await sleep(POLL_MS, undefined, { signal: gaveUp });
  }
  const connection = await Connection.connect({ address: `${ip}:${ports[0]}`, connectTimeout: START_TIMEOUT_MS });
  try {
    await connection.withAbortSignal(gaveUp, () => connection.workflowService.describeNamespace({ namespace }));
  } finally {
    await connection.close();
  }
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** Checks that the wanted port is free, or finds a free one. */
async function pickPort(ip: string, wanted: number | undefined): Promise<number> {
  const listener = createServer((socket) => socket.destroy());
  try {
    await once(listener.listen(wanted ?? 0, ip), 'listening');
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new FabricError({
      code: taken ? 'conflict' : 'invalid',
      message: taken ? `port ${wanted} on ${ip} is already taken` : `cannot listen on ${ip}:${wanted ?? 0}: ${errorText(error)}`,
      hint: taken ? 'Choose another port, or use the Temporal server that already listens there.' : 'Choose another address or port.',
      cause: error,
    });
  }
  const { port } = listener.address() as AddressInfo;
  // A connection that this side closes first leaves the port in TIME_WAIT: the system gives it to nobody who asks for
  // any free port, while a server that names it may still have it.
  if (wanted === undefined) await once(connect({ host: ip, port }).resume(), 'close');
  listener.close();
  await once(listener, 'close');
  return port;
}
