// The program as a process of its own: `dev` with its server and worker, a `worker` beside it, and how they end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Each process compiles and loads everything anew.
jest.setTimeout(120_000);

const ROOT = join(__dirname, '..', '..');

interface Running {
  readonly child: ChildProcess;
  /** Resolves with all output so far once it holds the text. */
  said(text: string): Promise<string>;
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

let data: string;
const running = new Set<ChildProcess>();
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'skyfabric-process-'));
});
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  await rm(data, { recursive: true, force: true });
});

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, ['--import', 'tsx', join('src', 'cli', 'main.ts'), ...args], {
    cwd: ROOT,
    env: { ...process.env, XDG_DATA_HOME: data, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  const heard = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const hear of heard) hear();
    });
  }
  const ended = once(child, 'close').then(([code]: number[]) => {
    running.delete(child);
    return { code: code ?? null, output };
  });
  const said = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const hear = (): void => (output.includes(text) ? resolve(output) : undefined);
      heard.add(hear);
      hear();
      void ended.then(() => reject(new Error(`ended without saying ${JSON.stringify(text)}:\n${output}`)));
    });
  return { child, said, ended };
}

test('dev brings a server and a worker that carry out runs, a worker joins it, and Ctrl-C ends both', async () => {
  const dev = start(['dev', '--port', '0', '--ui-port', '0']);
  const said = await dev.said('Ctrl-C stops both.');
  const address = /TEMPORAL_ADDRESS=(\S+)/.exec(said)?.[1] ?? '';
  expect(said).toContain('Ready.');

  const check = await start(['check', '--peer', 'west=nowhere', '--kubeconfig', join(data, 'none')], { TEMPORAL_ADDRESS: address }).ended;
  expect(check.output).toContain('There is no kubeconfig');
  expect(check.code).toBe(1);

  const worker = start(['worker', '--address', address, '--task-queue', 'inside', '--activities-only']);
  await worker.said('Worker listens on task queue inside');
  worker.child.kill('SIGTERM');
  expect((await worker.ended).code).toBe(0);

  dev.child.kill('SIGINT');
  const { code, output } = await dev.ended;
  expect(output).toContain('Stopping');
  expect(code).toBe(0);
});

test('a worker without a server says so and ends with 1', async () => {
  const { code, output } = await start(['worker', '--address', '127.0.0.1:1']).ended;
  expect(output).toMatch(/^Error: .*127\.0\.0\.1:1/);
  expect(code).toBe(1);
});

test('a wrong flag ends with 2', async () => {
  const { code, output } = await start(['status', '--fabrik', 'x']).ended;
  expect(output).toMatchInlineSnapshot(`
"Error: unknown option '--fabrik'
(Did you mean --fabric?)
  Hint: --help tells what there is. Nothing was touched.
"
`);
  expect(code).toBe(2);
});
