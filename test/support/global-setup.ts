// Before all tests: one Temporal dev server and one workflow bundle, made side by side, for every file that wants them.
// A failure is handed on to those files, so that all others still run.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTemporalCli } from '../../src/temporal/cli-binary';
import { type DevServer, startDevServer } from '../../src/temporal/dev-server';
import { bundleWorkflows } from '../../src/temporal/workflow-bundle';
import { keepForTeardown, provideTemporal } from './shared-temporal';

async function globalSetup(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'skyfabric-test-'));
  const [server, bundle] = await Promise.allSettled([startServer(), writeBundle(directory)]);
  keepForTeardown({ directory, ...(server.status === 'fulfilled' ? { server: server.value } : {}) });
  provideTemporal({
    address: server.status === 'fulfilled' ? { value: server.value.address } : { problem: String(server.reason) },
    bundlePath: bundle.status === 'fulfilled' ? { value: bundle.value } : { problem: String(bundle.reason) },
  });
}

async function startServer(): Promise<DevServer> {
  const onProgress = (text: string): boolean => process.stderr.write(`${text}\n`);
  const { path } = await findTemporalCli({ onProgress });
  return startDevServer({ binary: path });
}

async function writeBundle(directory: string): Promise<string> {
  const path = join(directory, 'workflow-bundle.js');
  const { code } = await bundleWorkflows();
  await writeFile(path, code);
  return path;
}

// Jest takes the module itself as the function.
export = globalSetup;
