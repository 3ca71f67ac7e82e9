// The last step of `npm run build`: writes the bundle of the compiled workflows beside them.
import { writeFile } from 'node:fs/promises';
import { BUILT_BUNDLE_PATH, bundleWorkflows } from './workflow-bundle';

async function main(): Promise<void> {
  const { code } = await bundleWorkflows();
  await writeFile(BUILT_BUNDLE_PATH, code);
}

void main();
