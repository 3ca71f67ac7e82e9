// `skyfabric codec-server`: lets Temporal's UI and command line read what the codec keys encrypted.
import { resolve } from 'node:path';
import { Command } from 'commander';
import { addCodecKeysFlag, codecKeysOf, readNumber } from './common-flags';
import type { CliContext } from './context';
import { loadCodec } from './lazy';
import { oneLine } from '../errors/plain-text';
import { Problems } from './problems';
import { repeatableOption, type FlagValues } from './request-flags';
import { untilStopped } from './until-stopped';

const PORT = 8234;
/** The dev server's UI, as browsers may call it. */
const ORIGINS = ['http://localhost:8233', 'http://127.0.0.1:8233'];

const LOOPBACK = /^(127(\.\d+){3}|localhost|::1)$/;

/** The command. */
export function codecServerCommand(context: CliContext): Command {
  const command = new Command('codec-server')
    .description("decode encrypted payloads for Temporal's UI and command line, until Ctrl-C")
    .option('--port <port>', `where it listens; 0 for a free one (default: ${PORT})`)
    .option('--host <address>', 'on which address; whoever reaches it reads what the keys open (default: 127.0.0.1)')
    .addOption(repeatableOption('--origin <url>', `whose pages may ask; repeatable (default: ${ORIGINS.join(', ')})`))
    .option('--token-file <file>', 'file (mode 600) of a bearer token that everybody must show');
  addCodecKeysFlag(command).addHelpText(
    'after',
    `
Enter its address as the codec endpoint in the UI's settings, or give it to the command line.

Examples:
    $ skyfabric codec-server --codec-keys ./codec.json
    $ temporal workflow show --workflow-id bootstrap/default/east+west --codec-endpoint http://127.0.0.1:${PORT}
  For the UI of a server of yours:
    $ skyfabric codec-server --codec-keys ./codec.json --origin https://temporal.example`,
  );
  return command.action(async () => {
    const values = command.opts<FlagValues>();
    const problems = new Problems();
    const port = readNumber(values['port'], '--port', 0, 65_535, problems) ?? PORT;
    const origins = ((values['origin'] ?? ORIGINS) as readonly string[]).map((origin) => readOrigin(origin, problems));
    const keysFile = codecKeysOf(values, context);
    if (keysFile === undefined) problems.add('--codec-keys is missing');
    problems.throwIfAny('codec-server');
    const { readCodecKeys, startCodecServer, readToken } = loadCodec();
    const { tokenFile, host } = values;
    if (typeof host === 'string' && !LOOPBACK.test(host) && tokenFile === undefined)
      context.stderr.write(`Warning: whoever reaches ${oneLine(host)} can read what the keys open. --token-file limits that.\n`);
    const server = await startCodecServer({
      keys: await readCodecKeys(keysFile ?? ''),
      port,
      ...(typeof host === 'string' ? { host } : {}),
      origins,
      token: typeof tokenFile === 'string' ? await readToken(resolve(context.cwd, tokenFile)) : undefined,
    });
    let stopped: () => void = () => undefined;
    const ended = new Promise<void>((settle) => (stopped = settle));
    const stop = async (): Promise<void> => {
      await server.close();
      stopped();
    };
    await untilStopped(context, { ended, stop }, () =>
      context.stdout.write(`Codec server: ${server.url} for ${origins.join(', ')}. Ctrl-C stops it.\n`),
    );
  });
}

/** As browsers send it: scheme, host and port, and nothing else. */
function readOrigin(text: string, problems: Problems): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '' || url.username !== '')
    problems.add(`--origin ${JSON.stringify(text)}: must be scheme, host and port, as in http://localhost:8233`);
  return url?.origin ?? '';
}
