// Before the tests on real API servers: the programs are there, so that no test waits for a build.
import { findPrograms } from './programs';

async function globalSetup(): Promise<void> {
  await findPrograms((text) => process.stderr.write(`${text}\n`));
}

// Jest takes the module itself as the function.
export = globalSetup;
