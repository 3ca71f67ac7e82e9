// Seeded trials by hand: `npm run trials -- --seed S --count N`. See docs/trials.md.
import { isFabricError } from '../../src/errors/fabric-error';
import { runInJobs, runOwnShare, SHARE_VARIABLE } from './jobs';
import { readOptions, USAGE } from './options';
import { Report } from './report';
import globalSetup from '../support/global-setup';
import globalTeardown from '../support/global-teardown';

async function main(): Promise<void> {
  const share = process.env[SHARE_VARIABLE];
  if (share !== undefined) {
    await runOwnShare(share);
    process.disconnect();
    return;
  }
  const options = readOptions(process.argv.slice(2));
  const report = new Report(options);
  await globalSetup();
  try {
    await runInJobs(options, (verdict) => report.take(verdict));
  } finally {
    await globalTeardown();
  }
  if (options.output === 'table') process.stdout.write(`\n${report.table()}\n`);
  if (report.failed) process.exitCode = 1;
}

if (process.argv.includes('--help')) process.stdout.write(`${USAGE}\n`);
else
  main().catch((error: unknown) => {
    process.exitCode = isFabricError(error, 'invalid') ? 2 : 1;
    const hint = isFabricError(error) && error.hint !== undefined ? `\n${error.hint}` : '';
    process.stderr.write(
      `${error instanceof Error ? (isFabricError(error) ? error.message : (error.stack ?? error.message)) : String(error)}${hint}\n`,
    );
  });
