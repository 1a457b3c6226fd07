# bash completion of kproxy: source it, or install it as
# /usr/share/bash-completion/completions/kproxy.

_kproxy() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  # "--flag=value" arrives as three words.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()
  case $previous in
    --detect-local-mode)
      COMPREPLY=($(compgen -W 'ClusterCIDR NodeCIDR BridgeInterface InterfaceNamePrefix' \
        -- "$current"))
      return ;;
    --nodeport-addresses) COMPREPLY=($(compgen -W 'primary' -- "$current")); return ;;
    --proxy-mode) COMPREPLY=($(compgen -W 'nftables' -- "$current")); return ;;
    --healthz-bind-address) COMPREPLY=($(compgen -W 'none' -- "$current")); return ;;
    --metrics-bind-address) COMPREPLY=($(compgen -W 'none' -- "$current")); return ;;
    --show-hidden-metrics-for-version) COMPREPLY=($(compgen -W '1.35' -- "$current")); return ;;
    --kube-api-content-type)
      COMPREPLY=($(compgen -W 'application/json application/vnd.kubernetes.protobuf' \
        -- "$current"))
      return ;;
    --logging-format) COMPREPLY=($(compgen -W 'text json' -- "$current")); return ;;
    --snapshot | --golden | --write-config-to | --config | --kubeconfig | \
      --machine-id-file | --boot-id-file)
      COMPREPLY=($(compgen -f -- "$current"))
      return ;;
    -v | --node | --hostname-override | --cluster-cidr | --pod-bridge-interface | \
      --pod-interface-name-prefix | --masquerade-bit | --bind-address | --feature-gates | \
      --iptables-masquerade-bit | --iptables-sync-period | --iptables-min-sync-period | \
      --config-sync-period | --kube-api-qps | --kube-api-burst | --oom-score-adj | \
      --conntrack-max-per-core | --conntrack-min | --conntrack-tcp-timeout-established | \
      --conntrack-tcp-timeout-close-wait | --conntrack-udp-timeout | \
      --conntrack-udp-timeout-stream | --master | --v | --vmodule | --log-flush-frequency | \
      --log-text-info-buffer-size | --log-json-info-buffer-size | --ipvs-exclude-cidrs | \
      --ipvs-min-sync-period | --ipvs-scheduler | --ipvs-sync-period | --ipvs-tcp-timeout | \
      --ipvs-tcpfin-timeout | --ipvs-udp-timeout | --healthz-port | --metrics-port)
      return ;;
  esac
  local flags='--help --version --snapshot --node --hostname-override --cluster-cidr
    --detect-local-mode
    --pod-bridge-interface --pod-interface-name-prefix --masquerade-all --masquerade-bit
    --nodeport-addresses --bind-address --feature-gates --proxy-mode --iptables-masquerade-bit
    --config --healthz-bind-address --metrics-bind-address --bind-address-hard-fail --profiling
    --show-hidden-metrics-for-version --iptables-sync-period --iptables-min-sync-period
    --config-sync-period --kubeconfig --kube-api-content-type --kube-api-qps --kube-api-burst
    --oom-score-adj --conntrack-max-per-core --conntrack-min --conntrack-tcp-timeout-established
    --conntrack-tcp-timeout-close-wait --conntrack-tcp-be-liberal --conntrack-udp-timeout
    --conntrack-udp-timeout-stream --master --v --vmodule --logging-format --log-flush-frequency
    --log-text-split-stream --log-text-info-buffer-size --log-json-split-stream
    --log-json-info-buffer-size --iptables-localhost-nodeports --ipvs-exclude-cidrs
    --ipvs-min-sync-period --ipvs-scheduler --ipvs-strict-arp --ipvs-sync-period
    --ipvs-tcp-timeout --ipvs-tcpfin-timeout --ipvs-udp-timeout --healthz-port --metrics-port
    --machine-id-file --boot-id-file'
  if [[ ${COMP_WORDS[1]} != verify ]]; then
    flags+=' --once --golden --init-only --cleanup --write-config-to'
  fi
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W verify -- "$current"))
  fi
}

complete -o filenames -F _kproxy kproxy
