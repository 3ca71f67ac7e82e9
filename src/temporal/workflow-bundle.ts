// Bundles the workflows for the workers' sandbox. The published package carries the bundle; from source it is made anew.
import { access } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, type WorkerOptions } from '@temporalio/worker';
import { HIDING_FAILURES_PATH } from './data-converter';

const ROOT = join(__dirname, '..', '..');

/** Which bundle: with codec keys the workflows must hide the texts of their failures, and the SDK fixes that when it bundles. */
export interface BundleOptions {
  /** Default: no. */
  readonly hidesFailures?: boolean;
}

/** The prebuilt bundle of a compiled tree (`dist/workflow-bundle.js` and its sister), written by build-bundle. */
export function builtBundlePath({ hidesFailures = false }: BundleOptions): string {
  return join(ROOT, hidesFailures ? 'workflow-bundle-hiding-failures.js' : 'workflow-bundle.js');
}

/** Bundles the top-level `workflows/index`, compiled or in TypeScript, whichever this file is; takes about a second. */
export async function bundleWorkflows({ hidesFailures = false }: BundleOptions = {}): Promise<{ code: string }> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(ROOT, 'workflows', `index${extname(__filename)}`),
    ...(hidesFailures ? { failureConverterPath: HIDING_FAILURES_PATH } : {}),
    logger: new DefaultLogger('WARN'),
  });
  return { code };
}

/** The bundle for createWorker: the prebuilt one in a compiled tree, else one made now. */
export async function workflowBundle(options: BundleOptions = {}): Promise<NonNullable<WorkerOptions['workflowBundle']>> {
  const path = builtBundlePath(options);
  const built =
    extname(__filename) === '.js' &&
    (await access(path).then(
      () => true,
      () => false,
    ));
  return built ? { codePath: path } : bundleWorkflows(options);
}
