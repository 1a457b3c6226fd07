#compdef kpcompile
# zsh completion of kpcompile: install it as _kpcompile in a folder of $fpath.

_kpcompile() {
  local -a common particular
  common=(
    '(- *)'{-h,--help}'[help]'
    '(- *)--version[version]'
    '--strict[fail on any complaint]'
    '--config=[KubeProxyConfiguration]:file:_files'
    '(--hostname-override)--node=[the Node to compile for]:node:'
    '(--node)--hostname-override=[the Node to compile for]:node:'
    "--cluster-cidr=[the pods' addresses]:CIDRs:"
    '--detect-local-mode=[how pods are told]:mode:(ClusterCIDR NodeCIDR BridgeInterface InterfaceNamePrefix)'
    "--pod-bridge-interface=[the pods' bridge]:interface:_net_interfaces"
    "--pod-interface-name-prefix=[how the pods' interfaces begin]:prefix:"
    '--masquerade-all=-[masquerade all traffic to ClusterIPs]::boolean:(true false)'
    '--masquerade-bit=[bit of the packet mark]:bit:'
    '*--nodeport-addresses=[local addresses that accept node ports]:CIDRs:(primary)'
    "--bind-address=[the node's primary address]:address:"
    '*--feature-gates=[NAME=BOOL]:gates:'
    '--proxy-mode=[nftables]:mode:(nftables)'
    '--iptables-masquerade-bit=[accepted without effect]:bit:'
  )
  case $words[2] in
    diff)
      particular=('1:command:(diff)' '2:before:_files' '3:after:_files') ;;
    explain)
      particular=(
        '--from=[the client]:address:'
        '--to=[PROTOCOL\:IP\:PORT]:destination:'
        '--brief[the outcome alone]'
        '--flows=[table of flows]:file:_files'
        '1:command:(explain)' '*:snapshot:_files'
      ) ;;
    *)
      particular=(
        '--output=[format]:format:(text json stats)'
        '(--golden)'{-o+,--out=}'[write there]:file:_files'
        '(-o --out)--golden=[reviewed ruleset]:file:_files'
        '--check[ask the kernel]'
        '1: :{_alternative "commands:command:(diff explain)" "files:snapshot:_files"}'
        '*:snapshot:_files'
      ) ;;
  esac
  _arguments -S $common $particular
}

_kpcompile "$@"
