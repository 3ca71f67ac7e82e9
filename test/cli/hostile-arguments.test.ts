// Whatever is typed, or stands in a file: the program ends with an exit code and words, never with a stack, and asks nobody.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { readAllowExec } from '../../src/cli/exec-flag';
import { buildProgram } from '../../src/cli/program';
import { DeadAddress } from '../support/dead-address';
import { hostileText, hostileValue, RAW } from '../support/hostile';
import { runCli, testContext } from './run-cli';

let dead: DeadAddress;
let directory: string;
beforeAll(async () => {
  dead = await DeadAddress.listen();
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-arguments-'));
});
afterAll(async () => {
  dead.close();
  await rm(directory, { recursive: true });
});

const commands = buildProgram(testContext().context).commands;
const names = commands.map((command) => command.name());
const flags = [...new Set(commands.flatMap((command) => command.options.flatMap(({ long, short }) => [long, short])))].filter(
  (flag) => flag !== undefined && !['--help', '-h', '--version', '-V'].includes(flag),
) as string[];

const value = fc.oneof(
  hostileText,
  fc.constantFrom(
    'west=kind-west',
    'east=',
    '=',
    'west',
    'none',
    'NodePort:30443',
    'hub-and-spoke:',
    'west-east',
    'a-b-c',
    'full-mesh',
    '5m',
    '0',
    '-1',
    '1e9',
    'json',
    'all',
    'namespace=',
    'x=y',
    '[::1]:443',
    '::',
    '~',
    '-',
    '--',
    '@file',
    '*',
  ),
);

async function expectRefused(args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await runCli(args, { cwd: directory, env: { TEMPORAL_ADDRESS: dead.address } });
  expect({ code, stdout, connections: dead.connections }).toEqual({ code: 2, stdout: '', connections: 0 });
  expect(stderr).toMatch(/^(Error: |error: )/);
  expect(stderr).not.toMatch(/defect of Skyfabric|^ +at .*:\d+:\d+\)?$/m);
  expect(stderr).not.toMatch(RAW);
  expect(stderr.length).toBeLessThan(80_000);
}

test('random arguments to every command are refused in words, before anything is touched', async () => {
  const argument = fc.oneof(
    { arbitrary: fc.tuple(fc.constantFrom(...flags), value).map(([flag, given]) => [flag, given]), weight: 3 },
    value.map((given) => [given]),
  );
  await fc.assert(
    // An address that is none is a problem of its own, so that no argument can make a command that goes on.
    fc.asyncProperty(fc.constantFrom(...names), fc.array(argument, { maxLength: 8 }), (name, given) =>
      expectRefused([
        name,
        ...given.flat().filter((one) => !['--', '-h', '-V', '--help', '--version'].includes(one)),
        '--address',
        'nonsense',
        '--flag-that-is-none',
      ]),
    ),
    { seed: 1, numRuns: 300 },
  );
});

test('random values of known flags of runs are told with all other problems', async () => {
  const runs = ['bootstrap', 'check', 'connect', 'disconnect', 'link', 'unlink', 'verify', 'status', 'history', 'graph', 'diagnose'];
  const valued = (name: string): string[] =>
    (commands.find((command) => command.name() === name)?.options ?? []).flatMap(({ long, required }) => (required && long ? [long] : []));
  const given = fc.constantFrom(...runs).chain((name) =>
    fc.tuple(
      fc.constant(name),
      fc.array(
        fc.tuple(
          fc.constantFrom(...valued(name)),
          value.filter((text) => text !== ''),
        ),
        { maxLength: 6 },
      ),
    ),
  );
  await fc.assert(
    fc.asyncProperty(given, async ([name, pairs]) => {
      const args = pairs.filter(([flag]) => flag !== '--address').map(([flag, text]) => `${flag}=${text}`);
      await expectRefused([name, ...args, '--address', 'nonsense']);
    }),
    { seed: 2, numRuns: 400 },
  );
});

test('a file that holds anything is a request or a problem of the file', async () => {
  const file = join(directory, 'request.yaml');
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        hostileText,
        hostileValue.map((whole) => stringify(whole)),
        hostileValue.map((peers) => JSON.stringify({ peers, links: peers })),
      ),
      async (text) => {
        await writeFile(file, text);
        await expectRefused(['bootstrap', '-f', file, '--links', 'west-east', '--gateway', 'west=x', '--address', 'nonsense']);
      },
    ),
    { seed: 3, numRuns: 400 },
  );
});

test.each([
  ['ten megabytes', 'x'.repeat(10_000_000), /larger than 1 MB/],
  ['NULs', 'peers: [\0\0]', /--peer/],
  ['a peer whose name cannot be told', 'peers: [{name: {toString: 1, valueOf: 2}, context: a}]', /name/],
  ['a tag in escapes', '!<\u001b[2J> {peers: 1}', /--peer 1/],
  ['a member of the name __proto__', '__proto__: {peers: [{name: west, context: a}]}', /--peer/],
  ['a hundred thousand levels', `peers: ${'{a: '.repeat(100_000)}`, /nested too deeply/],
  ['text that is no UTF-8', Buffer.from([0xff, 0xfe, 0x00, 0xd8]).toString('latin1'), /--file|--peer/],
])('a file with %s is refused', async (_what, content, why) => {
  const file = join(directory, 'request.yaml');
  await writeFile(file, content);
  const { code, stderr } = await runCli(['bootstrap', '-f', file], { cwd: directory, env: { TEMPORAL_ADDRESS: dead.address } });
  expect(stderr).toMatch(why);
  expect(stderr).not.toMatch(RAW);
  expect(code).toBe(2);
});

test.each<readonly [what: string, file: object, args: readonly string[]]>([
  ['links of another kind', { links: { kind: 'hub-and-spoke', hub: 'west' } }, ['--links', 'full-mesh']],
  ['links pair by pair', { links: { kind: 'hub-and-spoke', hub: 'west' } }, ['--links', 'west-east']],
  ['no links', { links: { kind: 'pairs', pairs: [['west', 'east']] } }, ['--links', 'none']],
  ['another hub', { links: { kind: 'hub-and-spoke', hub: 'west' } }, ['--links', 'hub-and-spoke:east']],
])('--links takes the place of the file: %s', async (_what, file, args) => {
  const peers = [
    { name: 'west', context: 'a' },
    { name: 'east', context: 'b' },
  ];
  await writeFile(join(directory, 'links.yaml'), stringify({ peers, ...file }));
  // The only problem left is the address.
  const { stderr } = await runCli(['bootstrap', '-f', 'links.yaml', ...args, '--address', 'nonsense'], { cwd: directory });
  expect(stderr).toMatch(/^Error: --address "nonsense": must be HOST:PORT/);
});

test('--verify status takes the place of a probe in the file', async () => {
  const request = {
    service: { name: 'echo', namespace: 'demo', port: 80 },
    from: ['west'],
    to: ['east'],
    verify: { mode: 'probe', image: 'busybox' },
  };
  await writeFile(join(directory, 'connect.yaml'), stringify(request));
  const { stderr } = await runCli(['connect', '-f', 'connect.yaml', '--verify', 'status', '--address', 'nonsense'], { cwd: directory });
  expect(stderr).toMatch(/^Error: --address "nonsense"/);
});

test('the flag for credential plugins goes before the environment, and by default none is allowed', () => {
  expect(readAllowExec({}, {})).toEqual([]);
  expect(readAllowExec({}, { SKYFABRIC_ALLOW_EXEC: 'aws, kubelogin,,' })).toEqual(['aws', 'kubelogin']);
  expect(readAllowExec({ allowExec: ['all'] }, { SKYFABRIC_ALLOW_EXEC: 'aws' })).toEqual(['all']);
});
