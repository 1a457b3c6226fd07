# bash completion of kpcompile: source it, or install it as
# /usr/share/bash-completion/completions/kpcompile.

_kpcompile() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  # "--flag=value" arrives as three words.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()
  case $previous in
    --output) COMPREPLY=($(compgen -W 'text json stats' -- "$current")); return ;;
    --detect-local-mode)
      COMPREPLY=($(compgen -W 'ClusterCIDR NodeCIDR BridgeInterface InterfaceNamePrefix' \
        -- "$current"))
      return ;;
    --proxy-mode) COMPREPLY=($(compgen -W nftables -- "$current")); return ;;
    --nodeport-addresses) COMPREPLY=($(compgen -W primary -- "$current")); return ;;
    --config | --golden | --flows | --out | -o) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --node | --hostname-override | --cluster-cidr | --bind-address | --pod-bridge-interface | \
      --pod-interface-name-prefix | --masquerade-bit | --iptables-masquerade-bit | \
      --feature-gates | --from | --to)
      return ;;
  esac
  local flags='--help --version --strict --config --node --hostname-override --cluster-cidr
    --detect-local-mode --pod-bridge-interface --pod-interface-name-prefix --masquerade-all
    --masquerade-bit --nodeport-addresses --bind-address --feature-gates --proxy-mode
    --iptables-masquerade-bit'
  case ${COMP_WORDS[1]} in
    diff) ;;
    explain) flags+=' --from --to --brief --flows' ;;
    *) flags+=' --output --out --golden --check' ;;
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
    return
  fi
  ((COMP_CWORD == 1)) && COMPREPLY=($(compgen -W 'diff explain' -- "$current"))
  COMPREPLY+=($(compgen -f -- "$current"))
}

complete -o filenames -F _kpcompile kpcompile
