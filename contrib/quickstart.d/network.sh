# shellcheck shell=bash
# The sample cluster's machines and pods, each a network namespace. Sourced by quickstart.
#
#   client ──────┐
#   203.0.113.9  ├── switch
#                │
#   worker-1 ────┤     192.0.2.11, kproxy runs here: pods shell, web-1, web-2, login-1, cart-1, dns-1
#   worker-2 ────┘     192.0.2.12: pods web-3, web-4, login-2, cart-2, dns-2

# Namespaces are named after this process, so that two runs do not meet.
NAMESPACES=kproxy-quickstart-$$-

# Pod, the number of its worker, its address.
PODS=(
  'shell   1 10.244.1.10'
  'dns-1   1 10.244.1.11'
  'web-1   1 10.244.1.21'
  'web-2   1 10.244.1.22'
  'login-1 1 10.244.1.31'
  'cart-1  1 10.244.1.41'
  'dns-2   2 10.244.2.12'
  'web-3   2 10.244.2.23'
  'web-4   2 10.244.2.24'
  'login-2 2 10.244.2.32'
  'cart-2  2 10.244.2.42'
)

# in_namespace NAME COMMAND...
in_namespace() {
  local name=$1
  shift
  nsenter --net="/run/netns/$NAMESPACES$name" -- "$@"
}

# Each line of standard input is a command of ip(8) in the namespace NAME.
configure() {
  ip -n "$NAMESPACES$1" -batch -
}

network_up() {
  local pod worker address other
  for pod in switch client worker-1 worker-2 "${PODS[@]%% *}"; do
    ip netns add "$NAMESPACES$pod"
    ip -n "$NAMESPACES$pod" link set lo up
  done

  ip -n "${NAMESPACES}switch" link add lan up type bridge
  for pod in client worker-1 worker-2; do
    configure switch <<END
link add $pod up master lan type veth peer name eth0 netns $NAMESPACES$pod
END
  done

  # To the client, all the cluster's addresses are behind worker-1: it is the router that would
  # send a load balancer's traffic there.
  configure client <<END
link set eth0 up
address add 203.0.113.9/24 dev eth0
route add default via 192.0.2.11 dev eth0 onlink
END
  for worker in 1 2; do
    other=$((3 - worker))
    configure "worker-$worker" <<END
link set eth0 up
address add 192.0.2.1$worker/24 dev eth0
address add 10.244.$worker.1/32 dev lo
route add default via 203.0.113.9 dev eth0 onlink
route add 10.244.$other.0/24 via 192.0.2.1$other
END
    in_namespace "worker-$worker" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
  done

  for pod in "${PODS[@]}"; do
    read -r pod worker address <<<"$pod"
    configure "worker-$worker" <<END
link add $pod up type veth peer name eth0 netns $NAMESPACES$pod
route add $address dev $pod src 10.244.$worker.1
END
    configure "$pod" <<END
link set eth0 up
address add $address/32 dev eth0
route add 10.244.$worker.1 dev eth0
route add default via 10.244.$worker.1 dev eth0
END
  done
}

# Fails if one is left, but only after all were tried.
network_down() {
  local namespace status=0
  for namespace in "/run/netns/$NAMESPACES"*; do
    if [[ -e $namespace ]] && ! ip netns delete "${namespace##*/}"; then status=1; fi
  done
  return "$status"
}
