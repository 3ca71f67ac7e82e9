// Histories of earlier versions replay with the workflows of today: a run that is under way when a worker is upgraded goes on.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeterminismViolationError } from '@temporalio/workflow';
import { Worker } from '@temporalio/worker';
import { installRuntime } from '../../src/temporal/runtime';
import { findSecretIn } from '../support/secrets';
import { testBundle } from '../support/temporal';

beforeAll(() => installRuntime({ level: 'ERROR', write: (line) => process.stderr.write(`${line}\n`) }));

const DIRECTORY = join(__dirname, '..', 'histories');
const files = readdirSync(DIRECTORY, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.json'));

test.each(files)('%s replays', async (file) => {
  const text = readFileSync(join(DIRECTORY, file), 'utf8');
  const history = JSON.parse(text) as {
    readonly events: readonly { readonly workflowExecutionStartedEventAttributes?: { readonly workflowId: string } }[];
  };
  // Workflows know their own claims by it.
  const id = history.events[0]?.workflowExecutionStartedEventAttributes?.workflowId;
  await expect(Worker.runReplayHistory({ workflowBundle: testBundle() }, history, id)).resolves.toBeUndefined();
});

test.each(files)('%s holds no secret', (file) => {
  const history = JSON.parse(readFileSync(join(DIRECTORY, file), 'utf8'), (key, value: unknown) =>
    key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : value,
  ) as unknown;
  expect(findSecretIn(history)).toBeUndefined();
});

test('there is a history of every workflow', () => {
  const names = new Set(files.map((file) => file.replace(/^.*\//, '').replace(/-\d+\.json$/, '')));
  expect([...names].sort()).toEqual([
    'BootstrapFabric',
    'CheckClusters',
    'CleanUpFabric',
    'ConnectServiceAcrossClusters',
    'DisconnectService',
    'EstablishLink',
    'GuardFabric',
    'SettleCleanup',
    'TeardownFabric',
    'TeardownLink',
    'VerifyFabric',
  ]);
});

test('a history that no longer fits is noticed', async () => {
  const file = files.find((name) => name.includes('TeardownLink')) ?? '';
  const history = JSON.parse(readFileSync(join(DIRECTORY, file), 'utf8').replaceAll('observeClaims', 'observeNothing')) as unknown;
  await expect(Worker.runReplayHistory({ workflowBundle: testBundle() }, history)).rejects.toBeInstanceOf(DeterminismViolationError);
});
