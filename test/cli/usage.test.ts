// Bad input at every command: one message with all problems, exit 2, and nobody is asked for a connection.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeadAddress } from '../support/dead-address';
import { runCli } from './run-cli';

let dead: DeadAddress;
let directory: string;
beforeAll(async () => {
  dead = await DeadAddress.listen();
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-usage-'));
  await writeFile(join(directory, 'broken.yaml'), 'peers: [');
  await writeFile(join(directory, 'list.yaml'), '- 1');
  await writeFile(join(directory, 'wrong.yaml'), 'fabric: Prod\npeers: [{name: west, contxt: kind-west}]\nlinks: {kind: ring}\n');
  await writeFile(join(directory, 'bomb.yaml'), 'a: &a [x, x]\nb: &b [*a, *a]\npeers: [*b, *b]\n');
});
afterAll(async () => {
  dead.close();
  await rm(directory, { recursive: true });
});

const PEERS = ['--peer', 'west=kind-west', '--peer', 'east=kind-east'];

test.each<readonly [what: string, args: readonly string[]]>([
  ['bootstrap without peers', ['bootstrap']],
  [
    'bootstrap with everything wrong',
    [
      'bootstrap',
      '--peer',
      'west',
      '--peer',
      'X_=a',
      '--peer',
      'east=a',
      '--gateway',
      'north=h:1',
      '--gateway',
      'east=::',
      '--ingress',
      'Foo',
      '--links',
      'west-east',
      '--dataplane',
      'foo',
      '--replicas',
      'x',
      '--key-bits',
      '1024',
      '--timeout',
      '5',
      '-o',
      'xml',
      '--fabric',
      'A',
    ],
  ],
  ['bootstrap with an ingress that needs gateways', ['bootstrap', ...PEERS, '--ingress', 'none', '--gateway', 'west=h:1']],
  ['bootstrap with a port that no node has', ['bootstrap', ...PEERS, '--ingress', 'NodePort:80']],
  ['bootstrap with a port that is none', ['bootstrap', ...PEERS, '--ingress', 'NodePort:99999']],
  ['bootstrap with a gateway at no port', ['bootstrap', ...PEERS, '--gateway', 'east=127.0.0.1:0']],
  ['bootstrap with one cluster named twice', ['bootstrap', '--peer', 'west=a', '--peer', 'west=a']],
  ['bootstrap with links to nobody', ['bootstrap', ...PEERS, '--links', 'hub-and-spoke:north']],
  [
    'bootstrap with a pair that may be two',
    ['bootstrap', '--peer', 'a=1', '--peer', 'a-b=2', '--peer', 'b-c=3', '--peer', 'c=4', '--links', 'a-b-c'],
  ],
  ['bootstrap from a file that is not there', ['bootstrap', '-f', 'none.yaml']],
  ['bootstrap from a broken file', ['bootstrap', '-f', 'broken.yaml']],
  ['bootstrap from a file that holds a list', ['bootstrap', '-f', 'list.yaml']],
  ['bootstrap from a file with wrong places', ['bootstrap', '-f', 'wrong.yaml']],
  ['bootstrap from a file that unfolds', ['bootstrap', '-f', 'bomb.yaml']],
  ['bootstrap with an unknown flag', ['bootstrap', '--peers', 'west=a']],
  ['check without peers', ['check', '--mode', 'manual']],
  ['connect without anything', ['connect']],
  [
    'connect with everything wrong',
    [
      'connect',
      'Echo',
      '-n',
      'A',
      '-p',
      '0',
      '--from',
      'a,a',
      '--to',
      'a',
      '--allow',
      'all',
      '--allow',
      'x',
      '--load-balancing',
      'best',
      '--verify',
      'maybe',
    ],
  ],
  [
    'connect with selectors that exclude each other',
    [
      'connect',
      'echo',
      '-n',
      'demo',
      '-p',
      '80',
      '--from',
      'a',
      '--to',
      'b',
      '--allow',
      'namespace=x,namespace=y,__proto__=z',
      '--verify',
      'status',
      '--probe-image',
      'x',
    ],
  ],
  ['disconnect without a namespace', ['disconnect', 'echo', '--from', '']],
  ['link with one peer', ['link', 'west']],
  ['link without peers', ['link']],
  ['link of a peer with itself', ['link', 'west', 'west', '--detach', '--timeout', '1m']],
  ['unlink with three peers', ['unlink', 'a', 'b', 'c']],
  ['teardown where nobody can be asked', ['teardown', '--peer', 'West']],
  ['cancel without a run', ['cancel']],
  ['cancel with a timeout for nothing', ['cancel', '', '--timeout', '1m']],
  ['status of a fabric with a wrong name', ['status', '--fabric', 'x" OR "1"="1', '-o', 'dot', '--timeout', '1m']],
  ['history with a wrong limit', ['history', '--limit', '0']],
  ['graph in a form that is none', ['graph', '-o', 'png']],
  ['dev with wrong ports', ['dev', '--port', '99999', '--ui-port', 'x', '--key-store', 's3:keys', '--log-level', 'loud']],
  ['worker with a key store that is none', ['worker', '--key-store', 'kubernetes:']],
  ['status with an address that is none', ['status', '--address', 'nonsense']],
  ['graph with an address without a port', ['graph', '--address', 'localhost:0']],
  ['worker with an address that is a page', ['worker', '--address', 'http://localhost:7233']],
  ['completion without a shell', ['completion']],
  ['completion for an unknown shell', ['completion', 'tcsh']],
  ['playground with too few peers', ['playground', '--peers', '1']],
  ['a command that is none', ['boot']],
])('%s', async (_, args) => {
  const { code, stdout, stderr } = await runCli(args, { cwd: directory, env: { TEMPORAL_ADDRESS: dead.address } });
  expect(stderr.replaceAll(directory, 'DIRECTORY')).toMatchSnapshot();
  expect(stderr).toMatch(/Nothing was touched\.\n$/);
  expect({ code, stdout, connections: dead.connections }).toEqual({ code: 2, stdout: '', connections: 0 });
});
