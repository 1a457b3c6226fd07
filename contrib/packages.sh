# shellcheck shell=bash disable=SC2034 # the lists are used where this is sourced
# What kproxy needs from Debian 12, and how to get it. Sourced by quickstart and check.

# To build the programs and their tests.
BUILD_PACKAGES=(
  cmake ninja-build g++ pkgconf
  libnftnl-dev libnftables-dev             # nftables over netlink
  libmnl-dev                               # libnftnl-dev needs it and does not ask for it
  rapidjson-dev libyaml-cpp-dev            # snapshots, configuration
  libcurl4-openssl-dev                     # the API server
  libcli11-dev                             # command lines
  zlib1g-dev                               # compressed answers
  libboost-test-dev
  scdoc                                    # manual pages
)

# To send real packets through network namespaces.
NETWORK_PACKAGES=(iproute2 ipset iptables nftables openssl python3)

# To build the Debian package and to check what is deployed.
PACKAGING_PACKAGES=(dpkg-dev file python3-yaml systemd)  # systemd: reads the unit

# The second compiler.
CLANG_PACKAGES=(clang libclang-rt-14-dev)  # the latter: sanitizers and fuzzer

# What reads the code and finds fault.
LINT_PACKAGES=(clang-format clang-tidy cppcheck)

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

# unpack_program PACKAGE PROGRAM FOLDER: where there is no such program, takes it alone out of the
# package, which is not installed: it would start a service, or needs much that the program does not.
unpack_program() {
  local package=$1 program=$2 folder=$3 download status=0
  if command -v "$program" >/dev/null || [[ -x $folder/$program ]]; then return; fi
  echo "Unpacking $program of $package"
  download=$(mktemp --directory)
  if (cd "$download" && { apt-get update && apt-get download "$package"; }) </dev/null >"$download/log" 2>&1; then
    mkdir -p "$folder"
    dpkg-deb --fsys-tarfile "$download/$package"_*.deb |
      tar --extract --directory="$folder" --strip-components=3 "./usr/bin/$program" || status=1
  else
    tail -n 3 "$download/log" >&2
    status=1
  fi
  rm -rf "$download"
  return "$status"
}
