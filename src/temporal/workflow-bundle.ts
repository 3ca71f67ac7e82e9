// Bundles the workflows for the workers' sandbox. The published package carries the bundle; from source it is made anew.
import { access } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, type WorkerOptions } from '@temporalio/worker';

const ROOT = join(__dirname, '..', '..');

/** The prebuilt bundle of a compiled tree (`dist/workflow-bundle.js`), written by build-bundle. */
export const BUILT_BUNDLE_PATH = join(ROOT, 'workflow-bundle.js');

/** Bundles the top-level `workflows/index`, compiled or in TypeScript, whichever this file is; takes about a second. */
export async function bundleWorkflows(): Promise<{ code: string }> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(ROOT, 'workflows', `index${extname(__filename)}`),
    logger: new DefaultLogger('WARN'),
  });
  return { code };
}

/** The bundle for createWorker: the prebuilt one in a compiled tree, else one made now. */
export async function workflowBundle(): Promise<NonNullable<WorkerOptions['workflowBundle']>> {
  const built =
    extname(__filename) === '.js' &&
    (await access(BUILT_BUNDLE_PATH).then(
      () => true,
      () => false,
    ));
  return built ? { codePath: BUILT_BUNDLE_PATH } : bundleWorkflows();
}
