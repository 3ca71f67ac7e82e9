import { Runtime } from '@temporalio/worker';
import { installRuntime } from '../../src/temporal/runtime';

test('log lines are filtered by level, name what they are about, and nothing else', async () => {
  const lines: string[] = [];
  installRuntime({ level: 'WARN', write: (line) => lines.push(line) });
  installRuntime({ level: 'DEBUG', write: () => lines.push('a second installation') });
  const runtime = Runtime.instance();
  runtime.logger.info('not shown');
  runtime.logger.warn('Activity failed', {
    workflowId: 'bootstrap/default/east',
    attempt: 2,
    input: 'payload',
    error: new Error('no route'),
  });
  await runtime.shutdown();
  expect(lines).toEqual(['WARN Activity failed workflowId=bootstrap/default/east attempt=2 error=no route']);
});
