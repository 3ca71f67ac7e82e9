// `skyfabric dev`: an embedded Temporal server and a worker, for one person and one machine.
import { resolve } from 'node:path';
import { Command } from 'commander';
import { addCodecKeysFlag, codecKeysOf, readNumber } from './common-flags';
import type { CliContext } from './context';
import { loadDev } from './lazy';
import { paintFor, type Paint } from './paint';
import { oneLine } from '../errors/plain-text';
import { shellWord } from './shell-word';
import { Problems } from './problems';
import type { RunningDev } from './run-dev';
import { untilStopped } from './until-stopped';
import { addWorkerFlags, readWorkerFlags } from './worker-flags';

/** The usual ports of a dev server, where clients look for one. */
const PORT = 7233;
const UI_PORT = 8233;

/** The command. */
export function devCommand(context: CliContext): Command {
  const command = new Command('dev')
    .description('run an embedded Temporal server (with its UI) and a worker, until Ctrl-C')
    .optionsGroup('Server:')
    .option('--port <port>', `of the server; 0 for a free one (default: ${PORT})`)
    .option('--ui-port <port>', `of its UI; 0 for a free one (default: ${UI_PORT})`)
    .option('--db-filename <file>', 'keep all runs in this file (default: in memory, gone with the server)')
    .option('--temporal-cli <file>', 'the Temporal CLI to use (default: one that is found, or fetched once)');
  addCodecKeysFlag(addWorkerFlags(command)).addHelpText(
    'after',
    `
Examples:
    $ skyfabric dev
  With a history that survives:
    $ skyfabric dev --db-filename ~/skyfabric.db`,
  );
  return command.action(async () => {
    const values = command.opts();
    const { stderr, stdout, env, cwd } = context;
    const problems = new Problems();
    const flags = readWorkerFlags(values, context, problems);
    const port = readNumber(values['port'], '--port', 0, 65_535, problems) ?? PORT;
    const uiPort = readNumber(values['uiPort'], '--ui-port', 0, 65_535, problems) ?? UI_PORT;
    problems.throwIfAny('dev');
    const codecKeys = codecKeysOf(values, context);
    const log = (line: string): unknown => stderr.write(`${oneLine(line)}\n`);
    const dev = await loadDev().startDev({
      worker: { ...flags, log },
      codecKeys,
      temporalCli: values['temporalCli'] as string | undefined,
      port: port || undefined,
      uiPort: uiPort || undefined,
      dbFilename: typeof values['dbFilename'] === 'string' ? resolve(cwd, values['dbFilename']) : undefined,
      env,
      onProgress: log,
    });
    await untilStopped(context, dev, () =>
      stdout.write(readyText(dev, env['SKYFABRIC_CODEC_KEYS'] ? undefined : codecKeys, paintFor(stdout, env))),
    );
  });
}

/** @param codecKeys for commands, when the environment does not say it. */
function readyText({ address, namespace, taskQueue, uiUrl }: RunningDev, codecKeys: string | undefined, paint: Paint): string {
  const usual = address === `127.0.0.1:${PORT}` && uiUrl.endsWith(`:${UI_PORT}`);
  const variables = [
    ...(usual ? [] : [`TEMPORAL_ADDRESS=${address}`, `SKYFABRIC_UI_URL=${uiUrl}`]),
    ...(codecKeys === undefined ? [] : [`SKYFABRIC_CODEC_KEYS=${shellWord(oneLine(codecKeys))}`]),
  ];
  return `${paint('green', 'Ready.')} Temporal ${address}, namespace ${namespace}, task queue ${taskQueue}
UI ${uiUrl}

Try next, in another terminal:
${variables.length === 0 ? '' : `  export ${variables.join(' ')}\n`}  skyfabric check --peer west=CONTEXT --peer east=CONTEXT
  skyfabric bootstrap --peer west=CONTEXT --peer east=CONTEXT
  skyfabric status

Ctrl-C stops both.
`;
}
