// The completion script for bash; it needs nothing beside bash itself.
import type { CompletionCommand, CompletionTree } from './completion-tree';

/** The script. */
export function bashScript({ name, commands }: CompletionTree): string {
  return `# bash completion for ${name}
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${[...commands.map((command) => command.name), '--help', '--version'].join(' ')}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]} $previous" in
${commands.flatMap(valueCases).join('\n')}
  esac
  case "\${COMP_WORDS[1]}" in
${commands.map((command) => `    ${command.name}) COMPREPLY=($(compgen -W "${command.options.flatMap((option) => option.names).join(' ')}" -- "$current")) ;;`).join('\n')}
  esac
}
complete -F _${name} ${name}
`;
}

function valueCases({ name, options }: CompletionCommand): string[] {
  return options.flatMap(({ names, value }) => {
    if (value === 'none') return [];
    const given =
      value === 'any'
        ? ''
        : `COMPREPLY=($(compgen ${value === 'file' ? '-f' : value === 'directory' ? '-d' : `-W "${value.join(' ')}"`} -- "$current")); `;
    return [`    ${names.map((option) => `"${name} ${option}"`).join('|')}) ${given}return ;;`];
  });
}
