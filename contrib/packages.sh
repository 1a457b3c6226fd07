# shellcheck shell=bash disable=SC2034 # the lists are used where this is sourced
# What kproxy needs from Debian 12, and how to get it. Sourced by quickstart and check.

# To build the programs and their tests.
BUILD_PACKAGES=(
  cmake ninja-build g++ pkgconf
  libmnl-dev libnftnl-dev libnftables-dev  # netlink, nftables
  rapidjson-dev libyaml-cpp-dev            # snapshots, configuration
  libcurl4-openssl-dev                     # the API server
  libcli11-dev                             # command lines
  zlib1g-dev                               # compressed answers
  libboost-test-dev
  scdoc                                    # manual pages
)

# To send real packets through network namespaces.
NETWORK_PACKAGES=(iproute2 ipset iptables nftables openssl python3)

# The second compiler.
CLANG_PACKAGES=(clang)

# Installs those of the named packages that are not there yet; silent about apt unless it fails.
install_missing() {
  local package missing=() log
  for package; do
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null |
      grep -qx installed || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    echo "All $# packages are there."
    return
  fi
  echo "Installing ${missing[*]}"
  if ((EUID != 0)); then
    echo "${0##*/}: only root can install packages: sudo ${0}" >&2
    return 1
  fi
  log=$(mktemp)
  if ! {
    apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"
  } </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
