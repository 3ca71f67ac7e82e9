// The completion script for fish.
import type { CompletionCommand, CompletionOption, CompletionTree } from './completion-tree';

/** The script. */
export function fishScript({ name, commands }: CompletionTree): string {
  const lines = [
    `# fish completion for ${name}`,
    `complete -c ${name} -f`,
    ...commands.map((command) => `complete -c ${name} -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.description)}`),
    ...commands.flatMap((command) => command.options.map((option) => optionLine(name, command, option))),
  ];
  return `${lines.join('\n')}\n`;
}

function optionLine(program: string, command: CompletionCommand, { names, description, value }: CompletionOption): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(' ');
  return `complete -c ${program} -n '__fish_seen_subcommand_from ${command.name}' ${flags}${valuePart(value)} -d ${quoted(description)}`;
}

function valuePart(value: CompletionOption['value']): string {
  if (value === 'none') return '';
  if (value === 'any') return ' -x';
  if (value === 'file') return ' -r -F';
  if (value === 'directory') return " -x -a '(__fish_complete_directories)'";
  return ` -x -a ${quoted(value.join(' '))}`;
}

function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, (char) => `\\${char}`)}'`;
}
