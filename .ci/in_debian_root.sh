#!/bin/bash
# Runs a command on a copy of this workspace in a small Debian of its own:
#
#   .ci/in_debian_root.sh sid ./bazelw test //...
#
# The root lies in the user's cache and keeps what earlier runs installed and
# built. It is made anew when it is missing, broken, or was made for another
# bazelw. Its mounts and processes live in namespaces of their own and end with
# the command. Exits with 77 and a reason when the root cannot be made,
# otherwise with the command's status.
#
# shellcheck disable=SC2016 # The quoted scripts expand where they run.
set -euo pipefail

suite=$1
shift
workspace=$(realpath "${BASH_SOURCE[0]%/*}/..")
home_cache=~/.cache
cache=${XDG_CACHE_HOME:-$home_cache}/eplb/ci
made_for=$(sha256sum <"$workspace/bazelw")
root=$cache/$suite-${made_for:0:12}

cannot() {
  echo "in_debian_root: $*" >&2
  exit 77
}

# isolated COMMAND...: in mount and process namespaces that end with it.
isolated() {
  unshare --mount --propagation private --pid --fork --kill-child "$@"
}

# in_root COMMAND...: on the copy of the workspace in the root.
in_root() {
  isolated bash -c '
    set -e
    root=$1 && shift
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    exec chroot "$root" env -i HOME=/root TERM=dumb \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      ${http_proxy+http_proxy="$http_proxy"} \
      ${https_proxy+https_proxy="$https_proxy"} \
      env -C /src/eplb "$@"' in_root "$root" "$@"
}

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=300 "$@" \
    >/dev/null 2>&1
}

install_debootstrap() {
  command -v debootstrap >/dev/null && return
  echo "in_debian_root: installing debootstrap" >&2
  apt_get install --no-install-recommends debian-archive-keyring debootstrap ||
    cannot "could not install debootstrap"
}

# Where this machine has Debian's own packages from; other archives may look
# alike in its sources.
find_mirrors() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
    'Origin: Debian' 'Label: Debian' 'Component: main' 2>/dev/null |
    grep -E '^https?://' | sort -u
}

make_root() {
  local partial=$root.partial mirrors mirror is_made=false
  apt_get update || true
  install_debootstrap
  mapfile -t mirrors < <(find_mirrors)
  rm -rf --one-file-system "$cache/$suite"-*
  # The last one is debootstrap's default.
  for mirror in "${mirrors[@]}" ""; do
    echo "in_debian_root: making $root${mirror:+ from $mirror}" >&2
    if isolated debootstrap --variant=minbase "$suite" "$partial" \
      ${mirror:+"$mirror"} >"$cache/debootstrap.log" 2>&1; then
      is_made=true
      break
    fi
    tail -n 5 "$cache/debootstrap.log" >&2
    rm -rf --one-file-system "$partial"
  done
  [[ $is_made == true ]] || cannot "debootstrap failed"
  # A mirror may be behind; and what is installed is not needed twice.
  cat >"$partial/etc/apt/apt.conf.d/90eplb" <<<'
Acquire::Check-Valid-Until "false";
Binary::apt-get::APT::Keep-Downloaded-Packages "false";
APT::Keep-Downloaded-Packages "false";'
  mkdir -p "$partial/src/eplb"
  mv "$partial" "$root"
}

# Whether it starts and no installation was cut off in the middle.
is_sound() {
  [[ -d $root ]] && in_root sh -c '[ -z "$(dpkg --audit)" ]' 2>/dev/null
}

copy_workspace() {
  rm -rf "$root/src/eplb"
  mkdir -p "$root/src/eplb"
  tar -C "$workspace" --anchored --exclude=./.git --exclude='./bazel-*' \
    --exclude='./examples/downstream/bazel-*' -cf - . |
    tar -C "$root/src/eplb" --no-same-owner -xf -
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
}

((EUID == 0)) || cannot "only root can make one"
isolated true || cannot "no namespaces here"
mkdir -p "$cache"
exec 9>"$cache/$suite.lock"
flock 9
is_sound || make_root
is_sound || cannot "$root does not start"
copy_workspace
in_root "$@"
