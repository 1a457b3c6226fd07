#compdef kproxy
# zsh completion of kproxy: install it as _kproxy in a folder of $fpath.

_kproxy() {
  local -a common serving
  common=(
    '(- *)'{-h,--help}'[help]'
    '(- *)--version=-[version]::form:(true raw)'
    "--snapshot=[the cluster's objects]:file:_files"
    '(--hostname-override)--node=[the Node to serve]:name:'
    '(--node)--hostname-override=[the Node to serve]:name:'
    "--cluster-cidr=[the pods' addresses]:cidr:"
    '--detect-local-mode=[how pods are told]:mode:(ClusterCIDR NodeCIDR BridgeInterface InterfaceNamePrefix)'
    "--pod-bridge-interface=[the pods' bridge]:name:_net_interfaces"
    "--pod-interface-name-prefix=[how the pods' interfaces begin]:prefix:"
    '--masquerade-all=-[masquerade all traffic to ClusterIPs]::boolean:(true false)'
    '--masquerade-bit=[bit of the packet mark]:bit:'
    '*--nodeport-addresses=[local addresses that accept node ports]:cidr:(primary)'
    "--bind-address=[the node's primary address]:ip:"
    '*--feature-gates=[NAME=BOOL]:name:'
    '--proxy-mode=[the mode]:mode:(nftables)'
    '--iptables-masquerade-bit=[accepted without effect]:bit:'
    '--config=[KubeProxyConfiguration]:file:_files'
    '--healthz-bind-address=[where health is served]:ip and port:(none)'
    '--metrics-bind-address=[where metrics are served]:ip and port:(none)'
    '--bind-address-hard-fail=-[exit where they cannot be]::boolean:(true false)'
    '--profiling=-[serve /debug]::boolean:(true false)'
    '--show-hidden-metrics-for-version=[accepted without effect]:version:(1.35)'
    '--iptables-sync-period=[until a failed sync is tried again]:duration:'
    '--iptables-min-sync-period=[least time between syncs]:duration:'
    '--config-sync-period=[accepted without effect]:duration:'
    '--kubeconfig=[how to reach the API server]:file:_files'
    '--kube-api-content-type=[accepted without effect]:type:(application/json application/vnd.kubernetes.protobuf)'
    '--kube-api-qps=[accepted without effect]:n:'
    '--kube-api-burst=[accepted without effect]:n:'
    '--oom-score-adj=[of this process]:n:'
    '--conntrack-max-per-core=[connections for each CPU]:n:'
    '--conntrack-min=[least connections]:n:'
    '--conntrack-tcp-timeout-established=[of idle TCP connections]:duration:'
    '--conntrack-tcp-timeout-close-wait=[of TCP connections half closed]:duration:'
    '--conntrack-tcp-be-liberal=-[tolerate packets outside the window]::boolean:(true false)'
    '--conntrack-udp-timeout=[of UDP flows without an answer]:duration:'
    '--conntrack-udp-timeout-stream=[of UDP flows with answers]:duration:'
    "--master=[the API server's URL]:url:"
    '(--v)-v+[verbosity]:level:' '(-v)--v=[verbosity]:level:'
    '*--vmodule=[verbosity by file]:file:'
    '--logging-format=[form of the log]:format:(text json)'
    '--log-flush-frequency=[accepted without effect]:duration:'
    '--log-text-split-stream=-[information to stdout]::boolean:(true false)'
    '--log-text-info-buffer-size=[accepted without effect]:size:'
    '--log-json-split-stream=-[information to stdout]::boolean:(true false)'
    '--log-json-info-buffer-size=[accepted without effect]:size:'
    '--iptables-localhost-nodeports=-[accepted without effect]::boolean:(true false)'
    '*--ipvs-exclude-cidrs=[accepted without effect]:cidr:'
    '--ipvs-min-sync-period=[accepted without effect]:duration:'
    '--ipvs-scheduler=[accepted without effect]:name:'
    '--ipvs-strict-arp=-[accepted without effect]::boolean:(true false)'
    '--ipvs-sync-period=[accepted without effect]:duration:'
    '--ipvs-tcp-timeout=[accepted without effect]:duration:'
    '--ipvs-tcpfin-timeout=[accepted without effect]:duration:'
    '--ipvs-udp-timeout=[accepted without effect]:duration:'
    '--healthz-port=[deprecated]:port:'
    '--metrics-port=[deprecated]:port:'
    '--machine-id-file=[accepted without effect]:file:_files'
    '--boot-id-file=[accepted without effect]:file:_files'
  )
  serving=(
    '--once=-[apply the snapshot and exit]::boolean:(true false)'
    '--golden=[reviewed ruleset to equal]:file:_files'
    '--init-only=-[prepare the node and exit]::boolean:(true false)'
    '--cleanup=-[remove what is left on the node]::boolean:(true false)'
    '--write-config-to=[write the configuration there]:file:_files'
    '1:command:(verify)'
  )
  [[ $words[2] == verify ]] && serving=('1:command:(verify)')
  _arguments -S $common $serving
}

_kproxy "$@"
