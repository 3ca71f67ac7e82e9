// `skyfabric seal`: encrypts the key of a fabric's authority in its key store now, or with another passphrase.
import { resolve } from 'node:path';
import { Command } from 'commander';
import { readFabricName } from './common-flags';
import type { CliContext } from './context';
import { allowExecOption, readAllowExec } from './exec-flag';
import { loadSeal } from './lazy';
import { Problems } from './problems';
import { addKeyStoreFlags, readKeyStoreFlags } from './worker-flags';

/** The command. */
export function sealCommand(context: CliContext): Command {
  const command = new Command('seal')
    .description("encrypt the key of a fabric's authority in its key store with a passphrase, or change the passphrase")
    .option('--fabric <name>', 'the fabric (default: default)')
    .option('--new-passphrase-file <file>', 'file (mode 600) of the passphrase from now on (default: the one that the key has)');
  addKeyStoreFlags(command)
    .option('--kubeconfig <file>', 'kubeconfig for a kubernetes: store (default: $KUBECONFIG, else ~/.kube/config)')
    .addOption(allowExecOption())
    .addHelpText(
      'after',
      `
A worker reads the passphrase when it starts: change it while no bootstrap runs, and start the workers anew.

Examples:
  A key that was written in plain:
    $ (umask 077; openssl rand -base64 32 > passphrase)
    $ skyfabric seal --key-passphrase-file passphrase
  Another passphrase:
    $ skyfabric seal --key-passphrase-file passphrase --new-passphrase-file passphrase-2`,
    );
  return command.action(async () => {
    const values = command.opts();
    const { cwd } = context;
    const problems = new Problems();
    const fabric = readFabricName(values, problems);
    const { keyStore, keyPassphraseFile } = readKeyStoreFlags(values, context, problems);
    const path = (value: unknown): string | undefined => (typeof value === 'string' ? resolve(cwd, value) : undefined);
    const newPassphraseFile = path(values['newPassphraseFile']) ?? keyPassphraseFile;
    if (newPassphraseFile === undefined) problems.add('--key-passphrase-file or --new-passphrase-file is missing');
    problems.throwIfAny('seal');
    await loadSeal().seal({
      fabric,
      keyStore,
      cwd,
      kubeconfig: path(values['kubeconfig']),
      allowExec: readAllowExec(values, context.env),
      keyPassphraseFile,
      newPassphraseFile: newPassphraseFile ?? '',
    });
    context.stdout.write(
      `The authority's key of fabric ${fabric} in ${keyStore} is encrypted with the passphrase in ${newPassphraseFile ?? ''}.\n`,
    );
  });
}
