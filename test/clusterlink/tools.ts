// The tools that the pods' scripts are tried with: this machine's, with a stand-in for busybox's `nc`; and busybox itself where it is.
import { execFile, spawnSync } from 'node:child_process';
import { chmod, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ShellJobResource } from '../../src/clusterlink/shell-job';

// What busybox's `nc -w SECONDS HOST PORT -e PROGRAM ARGUMENTS` does: connects, then runs the program on the connection.
const NC = `#!/usr/bin/env node
const [, , , seconds, host, port, , ...program] = process.argv;
const socket = require('node:net').connect({ host, port: Number(port), timeout: seconds * 1000 });
const fail = (why) => { console.error('nc: ' + why); process.exit(1); };
socket.on('timeout', () => fail('timed out'));
socket.on('error', ({ code, syscall, message }) =>
  fail(syscall === 'getaddrinfo' ? "bad address '" + host + "'" : code === 'ECONNREFUSED' ? "can't connect to remote host: Connection refused" : message));
socket.on('connect', () => {
  socket.setTimeout(0);
  const child = require('node:child_process').spawn(program[0], program.slice(1), { stdio: [socket, socket, 2] });
  child.on('exit', (code) => process.exit(code ?? 1));
});
`;

/** Puts the stand-in into a directory and returns the PATH with it; `SKYFABRIC_TEST_PATH` replaces all of it. */
export async function pathWithNc(directory: string): Promise<string> {
  await writeFile(join(directory, 'nc'), NC);
  await chmod(join(directory, 'nc'), 0o755);
  return process.env['SKYFABRIC_TEST_PATH'] ?? `${directory}:${String(process.env['PATH'])}`;
}

/** Where busybox is, if it has all that the scripts need. */
export function findBusybox(): string | undefined {
  const { stdout } = spawnSync('sh', ['-c', 'command -v busybox && busybox --list'], { encoding: 'utf8' });
  const [path, ...applets] = stdout.trim().split('\n');
  return APPLETS.every((applet) => applets.includes(applet)) ? path : undefined;
}

const APPLETS = ['cat', 'cmp', 'dd', 'nc', 'seq', 'sh', 'sleep', 'timeout', 'wc'];

/** Puts nothing but busybox's tools into a directory, which is the whole PATH then. */
export async function pathOfBusybox(directory: string, busybox: string): Promise<string> {
  await Promise.all(APPLETS.map((applet) => symlink(busybox, join(directory, applet))));
  return directory;
}

/** Runs a Job's own command with its own environment, as its pod would; returns the exit code. */
export async function runJob(job: ShellJobResource, cwd: string, env: Readonly<Record<string, string>>): Promise<unknown> {
  const [container] = (job.spec.template.spec as { containers: { command: string[]; env: { name: string; value: string }[] }[] })
    .containers;
  const [program = '', ...args] = container?.command ?? [];
  const own = Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value]));
  return new Promise((done) => {
    execFile(program, args, { cwd, env: { ...own, ...env } }, (error) => done(error?.code ?? 0));
  });
}
