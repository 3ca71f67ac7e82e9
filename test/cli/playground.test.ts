import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { castOf } from '../../src/cli/playground/cast';
import { Narrator } from '../../src/cli/playground/narrator';
import type { Stage } from '../../src/cli/playground/stage';
import { tryNext } from '../../src/cli/playground/try-next';
import { runCli, startCli, testContext } from './run-cli';

const SHOW_TIMEOUT_MS = 180_000;

/** The processes, pipes and sockets that this process holds. */
const held = (): string[] => process.getActiveResourcesInfo().filter((name) => /^(Process|Pipe|TCP|TLS)/i.test(name));

let heldBefore: readonly string[];

beforeAll(() => {
  heldBefore = held();
});

/** What is held beyond what was held before all shows. */
function heldSince(): string[] {
  const known = [...heldBefore];
  return held().filter((name) => !known.includes(name) || known.splice(known.indexOf(name), 1).length === 0);
}

/** Waits until the show that printed this has left nothing: a socket takes a moment to be gone. */
async function expectNothingLeft(stdout: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (heldSince().length > 0 && Date.now() < deadline) await sleep(20);
  expect(heldSince()).toEqual([]);
  const [, kubeconfig] = /Kubeconfig of the simulated clusters: (\S+)/.exec(stdout) ?? [];
  if (kubeconfig !== undefined) expect(existsSync(join(kubeconfig, '..'))).toBe(false);
  const [, server] = /dev server on 127\.0\.0\.1:(\d+)/.exec(stdout) ?? [];
  if (server !== undefined) await expect(accepts(Number(server))).resolves.toBe(false);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

test(
  'the whole show does what it says, judges itself, ends with 0, and leaves nothing',
  async () => {
    const { code, stdout, stderr } = await runCli(['playground', '--once'], { env: process.env, cwd: process.cwd() });
    expect(stdout).not.toContain('expected:');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });

    const calls = (caller: string): string => `20 calls of http://echo.demo.svc:80/ from ${caller} on east`;
    for (const fact of [
      'Skyfabric playground: the clusters are simulated.',
      '✔ 3 peers, 2 links',
      `✔ balanced: ${calls('frontend')}: south 10, west 10`,
      `✔ denied: ${calls('intruder')}: 20 refused (`,
      '✔ without force: the link between east and west carries a connection: connect/default/demo/echo/',
      `✔ shifted: ${calls('frontend')}: south 20`,
      `✔ stopped: ${calls('frontend')}: 20 refused (`,
      'Failed at create links on north: ',
      'Objects of the fabric: east 21 before, 21 after; north 0 before, 0 after',
      'Residue: none',
      '✔ residue: 0',
      '✔ north: 0 objects of the fabric before, 0 after, 0 of them different',
      '✔ what would have harmed a real gateway: nothing',
    ]) {
      expect(stdout).toContain(fact);
    }
    expect(stdout).toMatch(/Undone: .*north: take back links, .*north: take back gateway, release fabric authority/);
    expect(stdout).toMatch(/north\n(.*\n)+.*↩ create links +\S+ +attempt 4 /);
    expect(stdout).toMatch(
      /^ {4}http:\/\/127\.0\.0\.1:\d+\/namespaces\/default\/workflows\/bootstrap%2Fdefault%2Feast%2Bsouth%2Bwest\/[0-9a-f-]{36}/m,
    );
    expect(stdout.match(/^ {4}http:.*\/workflows\//gm)).toHaveLength(6);
    expect(stdout).toMatch(/From bootstrap to connected: \S+\. The simulated delays in it add up to 1\.1s: 7 pods/);
    const parts = stdout.match(/^\d {2}.*$/gm) ?? [];
    expect(parts).toHaveLength(6);
    for (const part of parts) expect(part).toMatch(/\[simulated clusters\]$/);
    // Nobody redraws or colours a file.
    expect(stdout).not.toContain('\u001b');
    await expectNothingLeft(stdout);
  },
  SHOW_TIMEOUT_MS,
);

test.each([
  ['while the stage is set', 'simulated clusters: west, south, east, north'],
  ['in the middle of a run', 'deploy gateway'],
])(
  'Ctrl-C %s ends the show with 130 and leaves nothing',
  async (_, moment) => {
    const run = startCli(['playground'], { env: process.env, cwd: process.cwd(), terminal: true });
    await run.printed(moment);
    run.interrupt();
    await expect(run.code).resolves.toBe(130);
    expect(run.stdout()).toContain('Cleaning up');
    expect(run.stderr()).toBe('');
    await expectNothingLeft(run.stdout());
  },
  SHOW_TIMEOUT_MS,
);

test.each(['2', '7', 'many'])('--peers %s is a usage error, and nothing is started', async (peers) => {
  const { code, stdout, stderr } = await runCli(['playground', '--peers', peers]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('must be a whole number from 3 to 6');
});

test('without a Temporal CLI, and none to be had, it says what was tried and ends with 1', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'skyfabric-no-cli-'));
  // Nothing listens at the proxy, so the download fails at once.
  const env = { PATH: empty, HOME: empty, XDG_CACHE_HOME: empty, HTTPS_PROXY: 'http://127.0.0.1:1' };
  const { code, stdout, stderr } = await runCli(['playground', '--once'], { env, cwd: empty });
  await rm(empty, { recursive: true });
  expect(code).toBe(1);
  expect(stderr).toContain('Error: no Temporal CLI was found and none could be fetched');
  expect(stderr).toContain('SKYFABRIC_TEMPORAL_CLI');
  await expectNothingLeft(stdout);
});

test('the first part can be repeated with the ports that the simulated gateways have', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skyfabric-try-next-'));
  const ports: Readonly<Record<string, number>> = { west: 20_001, south: 20_002, east: 20_003, north: 20_004 };
  const clusters = {
    kubeconfigPath: join(folder, 'kubeconfig'),
    cluster: (name: string) => ({ ingressPort: ports[name] }),
  } as unknown as Stage['clusters'];
  const lines = await tryNext({ address: '127.0.0.1:7000', clusters }, castOf(3));
  const request: unknown = parse(await readFile(join(folder, 'fabric.yaml'), 'utf8'));
  await rm(folder, { recursive: true });
  expect(lines.join('\n')).toContain(`bootstrap -f ${join(folder, 'fabric.yaml')} --address 127.0.0.1:7000`);
  expect(lines.join('\n')).toContain('--peer north=north --ingress LoadBalancer:20004 ');
  expect(request).toEqual({
    fabric: 'default',
    peers: ['west', 'south', 'east'].map((name) => ({ name, context: name, ingress: { type: 'LoadBalancer', port: ports[name] } })),
    links: { kind: 'hub-and-spoke', hub: 'east' },
  });
});

test('what is not as it should be is told and remembered', () => {
  const { context, stdout } = testContext();
  const narrator = new Narrator(context);
  narrator.check(true, 'west 10, south 10', 'both');
  narrator.check(false, 'west 20', 'west 10, south 10');
  expect(stdout()).toBe('  ✔ west 10, south 10\n  ✖ west 20 (expected: west 10, south 10)\n');
  expect(narrator.unmet).toEqual(['west 20 (expected: west 10, south 10)']);
});
