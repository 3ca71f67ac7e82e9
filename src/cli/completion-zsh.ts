// The completion script for zsh, for its own _arguments and _describe.
import type { CompletionCommand, CompletionOption, CompletionTree } from './completion-tree';

/** The script. */
export function zshScript({ name, commands }: CompletionTree): string {
  return `#compdef ${name}
_${name}() {
  local -a commands
  commands=(
${commands.map((command) => `    ${quoted(`${command.name}:${command.description}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${commands.map(commandCase).join('\n')}
  esac
}
# Read from a completion directory it completes at once; sourced, it waits to be called.
if [ "$funcstack[1]" = "_${name}" ]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function commandCase({ name, options }: CompletionCommand): string {
  const specs = options.flatMap((option) =>
    option.names.map((long) => `        ${quoted(`${long}[${described(option.description)}]${valueSpec(option)}`)}`),
  );
  return [`    ${name})`, '      _arguments \\', ...specs.map((spec) => `${spec} \\`), "        '*: :_files'", '      ;;'].join('\n');
}

function valueSpec({ value }: CompletionOption): string {
  if (value === 'none') return '';
  if (value === 'any') return ':value: ';
  if (value === 'file') return ':file:_files';
  if (value === 'directory') return ':directory:_files -/';
  return `:value:(${value.join(' ')})`;
}

/** _arguments reads brackets and colons. */
function described(text: string): string {
  return text.replace(/[[\]:\\]/g, (char) => `\\${char}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
