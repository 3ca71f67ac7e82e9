// `skyfabric completion`: scripts made from the program's own tree of commands and options.
import { Command } from 'commander';
import type { CliContext } from './context';
import { bashScript } from './completion-bash';
import { fishScript } from './completion-fish';
import { completionTree, type CompletionTree } from './completion-tree';
import { zshScript } from './completion-zsh';
import { Problems } from './problems';

const SCRIPTS: Readonly<Record<string, (program: CompletionTree) => string>> = { bash: bashScript, zsh: zshScript, fish: fishScript };

/** The command. */
export function completionCommand(context: CliContext): Command {
  const shells = Object.keys(SCRIPTS);
  const command = new Command('completion')
    .description('print a completion script for a shell')
    .argument('[shell]', shells.join(', '))
    .addHelpText(
      'after',
      `
Examples:
    $ source <(skyfabric completion bash)
    $ skyfabric completion zsh > "\${fpath[1]}/_skyfabric"
    $ skyfabric completion fish > ~/.config/fish/completions/skyfabric.fish`,
    );
  return command.action((shell?: string) => {
    const script = shell !== undefined && Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
    const problems = new Problems();
    if (script === undefined)
      problems.add(`shell ${shell === undefined ? 'is missing' : JSON.stringify(shell)}: must be one of ${shells.join(', ')}`);
    problems.throwIfAny('completion');
    if (script !== undefined && command.parent !== null) context.stdout.write(script(completionTree(command.parent)));
  });
}
