import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectClient, temporalSettings } from '../../src/temporal/connection';
import { connectWorker } from '../../src/temporal/worker';
import { testAddress } from '../support/temporal';

let directory: string;
let configFile: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skyfabric-config-'));
  configFile = join(directory, 'temporal.toml');
  await writeFile(
    configFile,
    `[profile.default]\naddress = "default.example:7233"\nnamespace = "from-file"\n
     [profile.cloud]\naddress = "cloud.example:7233"\nnamespace = "prod"\napi_key = "not-a-key"\n
     [profile.cloud.tls]\nserver_name = "cloud.example"\n`,
  );
});

afterAll(() => rm(directory, { recursive: true, force: true }));

test('settings come from the file, its profiles, the variables and the target, the later over the earlier', () => {
  const env = { TEMPORAL_CONFIG_FILE: configFile };
  expect(temporalSettings({ env })).toMatchObject({ address: 'default.example:7233', namespace: 'from-file' });
  expect(temporalSettings({ env, profile: 'cloud' })).toMatchObject({
    address: 'cloud.example:7233',
    namespace: 'prod',
    connectionOptions: { apiKey: 'not-a-key', tls: { serverNameOverride: 'cloud.example' } },
  });
  expect(temporalSettings({ env: { ...env, TEMPORAL_PROFILE: 'cloud', TEMPORAL_NAMESPACE: 'staging' } })).toMatchObject({
    namespace: 'staging',
  });
  expect(temporalSettings({ env, address: 'here:1', namespace: 'mine' })).toMatchObject({
    address: 'here:1',
    namespace: 'mine',
    connectionOptions: { address: 'here:1' },
  });
});

test('a target that ignores the configuration gets the defaults', () => {
  const env = { TEMPORAL_CONFIG_FILE: configFile, TEMPORAL_NAMESPACE: 'staging' };
  expect(temporalSettings({ env, ignoreConfig: true })).toMatchObject({ address: '127.0.0.1:7233', namespace: 'default' });
});

test('a profile that does not exist and a file that is not TOML are invalid', async () => {
  const broken = join(directory, 'broken.toml');
  await writeFile(broken, '[profile.default\n');
  expect(() => temporalSettings({ env: { TEMPORAL_CONFIG_FILE: configFile }, profile: 'none' })).toThrow("Profile 'none' not found");
  expect(() => temporalSettings({ env: { TEMPORAL_CONFIG_FILE: broken } })).toThrow('Invalid TOML');
});

test('a client and a worker connect to the server that is named', async () => {
  for (const connect of [connectClient, connectWorker]) {
    const connected = await connect({ address: testAddress(), ignoreConfig: true });
    expect(connected).toMatchObject({ address: testAddress(), namespace: 'default' });
    await connected.close();
  }
});

test.each([
  ['nothing listens', { address: '127.0.0.1:1' }, { code: 'unreachable', message: /127\.0\.0\.1:1 .*ECONNREFUSED/, hint: /skyfabric dev/ }],
  [
    'the host has no address',
    { address: 'nowhere.invalid:7233' },
    { code: 'unreachable', message: /nowhere\.invalid/, hint: /skyfabric dev/ },
  ],
  ['it is not an address', { address: 'http://127.0.0.1:7233' }, { code: 'invalid', message: /is not the address/, hint: /HOST:PORT/ }],
])('when %s, both say so at once', async (_, target, { code, message, hint }) => {
  for (const connect of [connectClient, connectWorker]) {
    await expect(connect({ ...target, ignoreConfig: true, env: {} })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
      hint: expect.stringMatching(hint) as string,
    });
  }
});

test('a namespace that does not exist is named', async () => {
  await expect(connectClient({ address: testAddress(), namespace: 'nope', ignoreConfig: true })).rejects.toMatchObject({
    code: 'not_found',
    message: `the Temporal server at ${testAddress()} has no namespace nope`,
  });
});

test('TLS with a server that does not speak it is a TLS failure', async () => {
  const env = { TEMPORAL_ADDRESS: testAddress(), TEMPORAL_TLS: 'true', TEMPORAL_CONFIG_FILE: join(directory, 'missing.toml') };
  await expect(connectClient({ env })).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringMatching(/^TLS with the Temporal server/) as string,
  });
});
