// What shells can complete, read from the program's own commands and options.
import type { Command } from 'commander';

/** What can be completed. */
export interface CompletionTree {
  readonly name: string;
  readonly commands: readonly CompletionCommand[];
}

export interface CompletionCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletionOption[];
}

export interface CompletionOption {
  /** `-o`, `--output`. */
  readonly names: readonly string[];
  readonly description: string;
  /** What follows it. */
  readonly value: 'none' | 'any' | 'file' | 'directory' | readonly string[];
}

/** Reads the tree of a program. */
export function completionTree(program: Command): CompletionTree {
  const help = program.createHelp();
  return {
    name: program.name(),
    commands: program.commands.map((command) => ({
      name: command.name(),
      description: command.description(),
      options: help.visibleOptions(command).map(({ short, long, description, argChoices, flags }) => ({
        names: [short, long].filter((name) => name !== undefined),
        description,
        value:
          argChoices ??
          (/<file>|<url\|path>/.test(flags) ? 'file' : flags.includes('<directory>') ? 'directory' : flags.includes('<') ? 'any' : 'none'),
      })),
    })),
  };
}
