// `skyfabric codec-keys`: makes the file of codec keys, and rotates them. It never prints a key.
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { CodecKeys } from '../temporal/codec-keys';
import type { CliContext } from './context';
import { loadCodec } from './lazy';
import { oneLine } from '../errors/plain-text';
import { Problems } from './problems';

/** The command. */
export function codecKeysCommand(context: CliContext): Command {
  const command = new Command('codec-keys')
    .description('make the file of keys that payloads in Temporal are encrypted with, rotate them, or list their ids')
    .argument('[file]', 'the file (default: $SKYFABRIC_CODEC_KEYS)')
    .option('--add', 'add a new key; in a new file it is current at once')
    .option('--id <id>', 'id of the added key (default: k1, k2, …)')
    .option('--use <id>', 'encrypt new payloads with this key')
    .option('--remove <id>', 'remove this key: what it encrypted can no longer be read')
    .addHelpText(
      'after',
      `
Workers, commands and codec servers read the file when they start. So a rotation has three parts: add a key and give the file
to all of them; use the new key; remove the old one when Temporal keeps no run of its time any more.

Examples:
    $ skyfabric codec-keys ./codec.json --add
    $ skyfabric worker --codec-keys ./codec.json
  A rotation:
    $ skyfabric codec-keys ./codec.json --add
    $ skyfabric codec-keys ./codec.json --use k2
    $ skyfabric codec-keys ./codec.json --remove k1`,
    );
  return command.action(async () => {
    const { add, id, use, remove } = command.opts<{
      readonly add?: true;
      readonly id?: string;
      readonly use?: string;
      readonly remove?: string;
    }>();
    const problems = new Problems();
    const [named] = command.args;
    const file = resolve(context.cwd, named ?? (context.env['SKYFABRIC_CODEC_KEYS'] || ''));
    if (named === undefined && !context.env['SKYFABRIC_CODEC_KEYS']) problems.add('file is missing');
    if (id !== undefined && add === undefined) problems.add('--id: means nothing without --add');
    problems.throwIfAny('codec-keys');
    const codec = loadCodec();
    const before = add === undefined ? await codec.readCodecKeys(file) : await codec.existingCodecKeys(file);
    let keys = add === undefined ? before : codec.withNewKey(before, file, id);
    if (keys !== undefined && use !== undefined) keys = codec.withCurrentKey(keys, use);
    if (keys !== undefined && remove !== undefined) keys = codec.withoutKey(keys, remove);
    if (keys === undefined) return;
    if (keys !== before) await codec.writeCodecKeys(keys);
    context.stdout.write(`${listing(keys)}\n`);
  });
}

function listing({ file, keys, current }: CodecKeys): string {
  return [`${oneLine(file)}:`, ...[...keys.keys()].map((id) => `  ${oneLine(id)}${id === current ? '  encrypts new payloads' : ''}`)].join(
    '\n',
  );
}
