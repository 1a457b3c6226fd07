# fish completion of kpcompile: install it in ~/.config/fish/completions or
# /usr/share/fish/vendor_completions.d.

set -l compiling 'not __fish_seen_subcommand_from diff explain'
set -l explaining '__fish_seen_subcommand_from explain'

complete -c kpcompile -n __fish_is_first_arg -a diff -d 'Tell how two rulesets differ'
complete -c kpcompile -n __fish_is_first_arg -a explain -d 'Tell where a packet would go'

complete -c kpcompile -s h -l help -d 'Help'
complete -c kpcompile -l version -d 'Version'
complete -c kpcompile -l strict -d 'Fail on any complaint'
complete -c kpcompile -l config -r -F -d 'KubeProxyConfiguration'
complete -c kpcompile -l node -x -d 'The Node to compile for'
complete -c kpcompile -l hostname-override -x -d 'The Node to compile for'
complete -c kpcompile -l cluster-cidr -x -d "The pods' addresses"
complete -c kpcompile -l detect-local-mode -x -d 'How pods are told' \
  -a 'ClusterCIDR NodeCIDR BridgeInterface InterfaceNamePrefix'
complete -c kpcompile -l pod-bridge-interface -x -a '(__fish_print_interfaces)' -d "The pods' bridge"
complete -c kpcompile -l pod-interface-name-prefix -x -d "How the pods' interfaces begin"
complete -c kpcompile -l masquerade-all -d 'Masquerade all traffic to ClusterIPs'
complete -c kpcompile -l masquerade-bit -x -d 'Bit of the packet mark'
complete -c kpcompile -l nodeport-addresses -x -a primary -d 'Local addresses that accept node ports'
complete -c kpcompile -l bind-address -x -d "The node's primary address"
complete -c kpcompile -l feature-gates -x -d 'NAME=BOOL,...'
complete -c kpcompile -l proxy-mode -x -a nftables -d 'The mode'
complete -c kpcompile -l iptables-masquerade-bit -x -d 'Accepted without effect'

complete -c kpcompile -n $compiling -l output -x -a 'text json stats' -d 'Format'
complete -c kpcompile -n $compiling -s o -l out -r -F -d 'Write there'
complete -c kpcompile -n $compiling -l golden -r -F -d 'Reviewed ruleset to equal'
complete -c kpcompile -n $compiling -l check -d 'Ask the kernel'

complete -c kpcompile -n $explaining -l from -x -d 'The client'
complete -c kpcompile -n $explaining -l to -x -d 'PROTOCOL:IP:PORT'
complete -c kpcompile -n $explaining -l brief -d 'The outcome alone'
complete -c kpcompile -n $explaining -l flows -r -F -d 'Table of flows'
