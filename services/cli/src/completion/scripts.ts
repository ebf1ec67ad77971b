// Bash takes @ for the begin of a host's name, and would complete only what is behind it.
const bash = `COMP_WORDBREAKS=\${COMP_WORDBREAKS//@}
_muster_complete() {
  local IFS=$'\\n'
  COMPREPLY=($(muster __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [[ \${#COMPREPLY[@]} -eq 0 ]] && compopt -o default
  [[ \${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -F _muster_complete muster
`;

const zsh = `#compdef muster
_muster_complete() {
  local -a found
  found=("\${(@f)$(muster __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if (( ! \${#found} )) || [[ -z "\${found[1]}" ]]; then _files
  elif [[ "\${found[1]}" == *= ]]; then compadd -S '' -a found
  else compadd -a found; fi
}
compdef _muster_complete muster
`;

const fish = `function __muster_complete
  set -l words (commandline -opc) (commandline -ct)
  muster __complete -- $words[2..] 2>/dev/null
end
complete -c muster -f -a '(__muster_complete)'
complete -c muster -n '__fish_seen_argument -s f -l file; or __fish_seen_argument -l from; or __fish_seen_argument -l ca' -F
`;

/** The script that a shell reads once to have completion. */
export const SCRIPTS: Readonly<Record<string, string>> = { bash, zsh, fish };
