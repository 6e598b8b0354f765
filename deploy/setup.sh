# Read by deploy/demo and deploy/test: what must be on the machine, and nothing more. Works on a fresh Debian 12 with rustup and sudo.
# shellcheck shell=bash

# Debian keeps half of the tools out of a user's path.
PATH="$HOME/.cargo/bin:$PATH:/usr/sbin:/sbin"
for bin in /usr/lib/postgresql/*/bin; do [ -d "$bin" ] && PATH="$PATH:$bin"; done
export PATH
# One place for what is built, whatever the user's settings: units, demo and lab look for our programs there.
export CARGO_TARGET_DIR=$PWD/target

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Rust is the one thing that we do not install: people have their own way with it.
need_rust() {
  local wanted have
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  command -v rustc >/dev/null || die "Rust $wanted or newer is needed: install it from https://rustup.rs, then run this again"
  have=$(rustc --version | cut -d' ' -f2)
  [ "$(printf '%s\n%s\n' "$wanted" "${have%%-*}" | sort -V | head -n1)" = "$wanted" ] ||
    die "rustc $have is too old, $wanted or newer is needed: run 'rustup update', then this again"
}

# need COMMAND:PACKAGE or /FILE:PACKAGE...  Installs the packages of what is missing.
need() {
  local pair packages=()
  for pair in "$@"; do
    case $pair in
    /*) [ -e "${pair%%:*}" ] || packages+=("${pair##*:}") ;;
    *) command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}") ;;
    esac
  done
  if [ "${#packages[@]}" -gt 0 ]; then install "${packages[@]}"; fi
}

install() {
  command -v apt-get >/dev/null || die "these Debian packages are needed, and this machine has no apt-get: $*"
  echo "installing: $*"
  # A subshell, so that its EXIT trap puts policy-rc.d back whatever happens.
  (install_quietly "$@")
}

# No daemon may start because its package arrives: a DHCP relay or server must never speak on somebody's network.
install_quietly() {
  local policy=/usr/sbin/policy-rc.d kept=/usr/sbin/policy-rc.d.before-hostler unit
  if [ -e "$policy" ]; then as_root mv "$policy" "$kept"; fi
  trap 'as_root rm -f '"$policy"'; [ ! -e '"$kept"' ] || as_root mv '"$kept $policy" EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
  as_root env DEBIAN_FRONTEND=noninteractive sh -ec '
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null' sh "$@"
  # Nor at the next boot, since it was we who brought them.
  if [ -d /run/systemd/system ]; then
    for unit in isc-dhcp-relay postgresql; do
      case " $* " in *" $unit "*) as_root systemctl disable --quiet "$unit" || true ;; esac
    done
  fi
}

# gcc only recommends the headers, and recommendations are not followed.
BUILD_TOOLS=(cc:gcc ld:binutils make:make /usr/include/stdio.h:libc6-dev)
LAB_TOOLS=(ip:iproute2 ethtool:ethtool ping:iputils-ping busybox:busybox curl:curl dhclient:isc-dhcp-client
  dhcpcd:dhcpcd-base dhcrelay:isc-dhcp-relay ps:procps setpriv:util-linux)
BROWSER_TOOLS=(chromium:chromium chromedriver:chromium-driver)
