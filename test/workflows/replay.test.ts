// Histories of earlier versions replay with the workflows of today: a run that is under way when a worker is upgraded goes on.
import { DeterminismViolationError } from '@temporalio/workflow';
import { Worker } from '@temporalio/worker';
import { installRuntime } from '../../src/temporal/runtime';
import { savedHistories } from '../support/histories';
import { findSecretIn } from '../support/secrets';
import { testBundle } from '../support/temporal';

beforeAll(() => installRuntime({ level: 'ERROR', write: (line) => process.stderr.write(`${line}\n`) }));

test.each(savedHistories())('%s replays', async (_file, { history, workflowId }) => {
  await expect(Worker.runReplayHistory({ workflowBundle: testBundle() }, history, workflowId)).resolves.toBeUndefined();
});

test.each(savedHistories())('%s holds no secret', (_file, { history }) => {
  const readable = JSON.parse(JSON.stringify(history), (key, value: unknown) =>
    key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : value,
  ) as unknown;
  expect(findSecretIn(readable)).toBeUndefined();
});

test('there is a history of every workflow', () => {
  const names = new Set(savedHistories().map(([file]) => file.replace(/^.*\//, '').replace(/-\d+\.json$/, '')));
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
  const saved = savedHistories().find(([file]) => file.includes('TeardownLink'))?.[1];
  const history = JSON.parse(JSON.stringify(saved?.history).replaceAll('observeClaims', 'observeNothing')) as unknown;
  await expect(Worker.runReplayHistory({ workflowBundle: testBundle() }, history)).rejects.toBeInstanceOf(DeterminismViolationError);
});
