import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { SEARCH_ATTRIBUTES } from '../../src/contract/search-attributes';
import { findTemporalCli } from '../../src/temporal/cli-binary';
import { connectClient } from '../../src/temporal/connection';
import { startDevServer } from '../../src/temporal/dev-server';

let binary: string;
let directory: string;

beforeAll(async () => {
  binary = (await findTemporalCli()).path;
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-dev-server-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('the dev server answers with its UI, namespace, search attributes and database file, and is gone after close', async () => {
  const dbFilename = join(directory, 'temporal.db');
  const progress: string[] = [];
  const server = await startDevServer({ binary, namespace: 'mesh', dbFilename, onProgress: (text) => progress.push(text) });
  try {
    const { connection, close } = await connectClient({ address: server.address, namespace: 'mesh', ignoreConfig: true });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'mesh' });
    await close();
    expect(Object.keys(customAttributes)).toEqual(expect.arrayContaining(SEARCH_ATTRIBUTES.map(({ name }) => name)));
    expect((await fetch(server.uiUrl)).status).toBe(200);
    expect((await stat(dbFilename)).size).toBeGreaterThan(0);
    expect(progress).toEqual([`Starting Temporal's dev server on ${server.address}`]);
    expect(runs(server.pid)).toBe(true);
  } finally {
    await server.close();
  }
  expect(runs(server.pid)).toBe(false);
  await server.close();
});

test('a given port that is taken is named', async () => {
  const holder = createServer();
  await once(holder.listen(0, '127.0.0.1'), 'listening');
  const { port } = holder.address() as AddressInfo;
  await expect(startDevServer({ binary, port })).rejects.toMatchObject({
    code: 'conflict',
    message: `port ${port} on 127.0.0.1 is already taken`,
  });
  await expect(startDevServer({ binary, uiPort: port })).rejects.toMatchObject({ code: 'conflict' });
  holder.close();
});

test('a server that stops while it starts is reported with what it said', async () => {
  await expect(startDevServer({ binary, extraArgs: ['--no-such-flag'] })).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/stopped while it started: .*no-such-flag/) as string,
  });
  await expect(startDevServer({ binary: join(directory, 'none') })).rejects.toMatchObject({
    message: expect.stringContaining('ENOENT') as string,
  });
});

test('the dev server ends with a parent that is killed', async () => {
  const script = join(directory, 'parent.ts');
  const source = join(__dirname, '..', '..', 'src', 'temporal', 'dev-server');
  await writeFile(
    script,
    `import { startDevServer } from ${JSON.stringify(source)};
     void startDevServer({ binary: ${JSON.stringify(binary)} }).then(({ pid }) => console.log(pid));`,
  );
  const parent = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
  expect(runs(Number(line))).toBe(true);
  parent.kill('SIGKILL');
  while (runs(Number(line))) await sleep(50);
});
