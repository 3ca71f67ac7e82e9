// The last step of `npm run build`: writes the bundles of the compiled workflows beside them.
import { writeFile } from 'node:fs/promises';
import { builtBundlePath, bundleWorkflows } from './workflow-bundle';

async function main(): Promise<void> {
  for (const options of [{ hidesFailures: false }, { hidesFailures: true }]) {
    const { code } = await bundleWorkflows(options);
    await writeFile(builtBundlePath(options), code);
  }
}

void main();
