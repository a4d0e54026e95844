#!/bin/bash
# Tests bazelw on machines of paper: folders that hold a fake dpkg-query,
# apt-get, sudo and Bazel. Ends with the line "N passed, N failed".
#
#   tools/house/bazelw_test.sh
#
# shellcheck disable=SC2016 # The texts of the fakes expand on their machine.
set -uo pipefail

workspace=$(realpath "${BASH_SOURCE[0]%/*}/../..")
sandbox=$(mktemp -d)
trap 'rm -rf "$sandbox"' EXIT
passed=0
failed=0

# The programs that bazelw may count on: every Debian machine has them.
readonly tools=(bash cat env flock mkdir mktemp mv realpath rm tail)

# --- the machine -----------------------------------------------------------

fake() { # fake PATH: makes a program of the text on standard input
  mkdir -p "${1%/*}"
  { echo '#!/bin/bash' && cat; } >"$1"
  chmod +x "$1"
}

# A machine with nothing installed for the project, in $machine, with a clone
# in $clone whose bazelw takes this folder for the root of the file system.
new_machine() {
  local tool
  machine=$(mktemp -d "$sandbox/machine.XXXX")
  clone=$machine/src/clone
  mkdir -p "$machine"/{home,tools,usr/bin,usr/local/bin,var/lib/dpkg,installed}
  mkdir -p "$machine"/tmp "$clone/third_party/system"
  for tool in "${tools[@]}"; do
    ln -s "$(command -v "$tool")" "$machine/tools/$tool"
  done
  cp "$workspace/third_party/system/offline.bazelrc" "$clone/third_party/system"
  sed -E "s,/(usr|var|tmp)/,$machine&,g" "$workspace/bazelw" >"$clone/bazelw"
  chmod +x "$clone/bazelw"
  touch "$machine/var/lib/dpkg/status"
  fake "$machine/usr/bin/dpkg-query" <<<'
    for package; do :; done
    [[ -e $MACHINE/installed/$package ]] && echo "ii "'
  fake "$machine/usr/bin/apt-get" <<<'
    echo "$*" >>"$MACHINE/apt.log"
    [[ $* != *" update" ]] || exit 0
    [[ ! -e $MACHINE/broken ]] ||
      { echo "E: Unable to locate package" && exit 100; }
    for package in "${@:8}"; do
      : >"$MACHINE/installed/$package"
      [[ $package != bazel-bootstrap ]] ||
        mv "$MACHINE"/{distribution,usr/bin}/bazel
    done
    : >"$MACHINE/var/lib/dpkg/status"'
  fake "$machine/distribution/bazel" <<<'
    echo "distribution $(printf "<%s>" "$@")"
    exit "${BAZEL_STATUS:-0}"'
  mkdir -p "$machine/usr/share/bazel/embedded_tools"
  ((EUID == 0)) || add_sudo
  chmod -R a+rwX "$machine" "$sandbox"
}

add_sudo() {
  fake "$machine/usr/bin/sudo" <<<'echo "$*" >>"$MACHINE/sudo.log"; exec "$@"'
}

# Bazelisk, or a Bazel of the given version, in the user's own folder.
install_own() { # install_own NAME VERSION
  fake "$machine/usr/local/bin/$1" <<<"
    [[ \$* != --version ]] || echo 'bazel $2'
    echo \"own \$(printf '<%s>' \"\$@\")\""
}

# Runs a command on the machine: what it prints is in $output and $errors, its
# exit status in $status.
on_machine() {
  output=$(cd "${folder:-$clone}" &&
    env -i MACHINE="$machine" HOME="$machine/home" TMPDIR="$machine/tmp" \
      PATH="$machine/usr/local/bin:$machine/usr/bin:$machine/tools" \
      "$@" 2>"$machine/errors")
  status=$?
  errors=$(<"$machine/errors")
}

# The same as somebody who is not root.
as_user() {
  local drop=()
  ((EUID != 0)) || drop=("$(command -v setpriv)" --reuid=65534 --regid=65534
    --clear-groups)
  on_machine "${drop[@]}" "$@"
}

# --- expectations ----------------------------------------------------------

check() { # check WHAT COMMAND...
  local what=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'FAILED: %s\n  status: %s\n  output: %s\n  errors: %s\n' \
      "$what" "$status" "$output" "$errors"
  fi
}

says() { [[ $output == *"$1"* ]]; }
complains() { [[ $errors == *"$1"* ]]; }
exits() { ((status == $1)); }
one_line() { (($(wc -l <<<"$errors") == 1)); }
silent() { [[ -z $errors ]]; }
has() { [[ -e $machine/installed/$1 ]]; }
has_not() { ! has "$1"; }
installs_nothing() { [[ ! -e $machine/apt.log ]]; }

# --- what bazelw promises --------------------------------------------------

new_machine
on_machine ./bazelw test //...
check "a fresh machine gets Bazel" has bazel-bootstrap
check "a fresh machine gets the libraries" has libabsl-dev
check "says what it installs" complains "bazelw: installing g++ libgloo-dev"
check "runs Bazel with the machine's options" says "<test><//...>"
rm "$machine/apt.log"
on_machine ./bazelw test //...
check "the second call installs nothing" installs_nothing
check "the second call says nothing" silent
rm "$machine/usr/bin/dpkg-query"
on_machine ./bazelw test //...
check "the second call asks for no package" exits 0

on_machine ./bazelw run //:x -- "two words" '*' ''
check "passes arguments on as they are" says "<run><//:x><--><two words><*><>"
on_machine ./bazelw --version
check "--version comes first" says "distribution <--version>"
on_machine ./bazelw
check "no arguments are fine" exits 0
on_machine env BAZEL_STATUS=37 ./bazelw build
check "passes the exit status on" exits 37
mkdir -p "$clone/a/b" && ln -s "$clone/bazelw" "$machine/home/link"
folder=$clone/a/b on_machine ../../bazelw build
check "can be called from another folder" says "_src_clone.bazelrc><build>"
folder=$machine/home on_machine ./link build
check "can be called through a link" says "_src_clone.bazelrc><build>"

new_machine
touch "$machine/usr/share/bazel/embedded_tools/MODULE.bazel"
on_machine ./bazelw build
check "a distribution's Bazel with modules gets the stand-ins" grep -q \
  "googletest=$clone/third_party" "$machine"/home/.cache/eplb/*.bazelrc
rm "$machine/usr/share/bazel/embedded_tools/MODULE.bazel"
touch "$machine/var/lib/dpkg/status"
on_machine ./bazelw build
check "one without modules gets none, after a change of packages" \
  eval '! grep -q override "$machine"/home/.cache/eplb/*.bazelrc'

new_machine
touch "$machine/usr/share/bazel/embedded_tools/MODULE.bazel"
mv "$clone" "$machine/src/my clone"
clone="$machine/src/my clone"
chmod 555 "$machine/home"
add_sudo
as_user env XDG_CACHE_HOME="$machine/tmp/my cache" ./bazelw build
check "a clone and a cache with a space in their paths will do" says "<build>"
check "the path of the clone is one word for Bazel" grep -qF \
  "googletest=$machine/src/my\ clone/third_party" \
  "$machine/tmp/my cache/eplb"/*.bazelrc
check "the path of the cache is one word for Bazel" grep -qxF \
  "startup --output_user_root=$machine/tmp/my\ cache/eplb/bazel" \
  "$machine/tmp/my cache/eplb"/*.bazelrc

for own in bazelisk bazel; do
  new_machine
  install_own $own 8.4.2
  on_machine ./bazelw build "two words"
  check "the user's own $own wins" says "own <build><two words>"
  check "beside $own no Bazel is installed" has_not bazel-bootstrap
  check "beside $own no library of the registry is" has_not libabsl-dev
  check "beside $own the libraries without a registry are" has libgloo-dev
done
new_machine
install_own bazel 6.5.0
on_machine ./bazelw build
check "an own Bazel that reads WORKSPACE gets the libraries" has libabsl-dev
check "an own Bazel that reads WORKSPACE stays" says "own <build>"
install_own bazelisk 7.7.1
rm "$machine/apt.log"
on_machine ./bazelw build
check "Bazelisk wins over it when it comes later" says "own <build>"
check "and needs nothing more" installs_nothing

new_machine
add_sudo
as_user ./bazelw build
check "a user installs through sudo" grep -q "install .*g++" "$machine/sudo.log"
check "a user with sudo gets Bazel" says "<build>"

new_machine
rm -f "$machine/usr/bin/sudo"
as_user ./bazelw build
check "without sudo it fails" exits 1
check "without sudo it says what is missing" complains "missing: g++ libgloo-dev"
check "without sudo it says so in one line" one_line

new_machine
rm "$machine/usr/bin/apt-get" "$machine/usr/bin/dpkg-query"
on_machine ./bazelw build
check "without apt-get it fails" exits 1
check "without apt-get it says what to do" complains "install them by hand"
check "without apt-get it says so in one line" one_line

new_machine
touch "$machine/broken"
on_machine ./bazelw build
check "fails when a package cannot be installed" exits 1
check "shows what apt-get said" complains "E: Unable to locate package"
check "closes with what could not be installed" complains "could not install g++"
check "does not go on to Bazel" eval '[[ -z $output ]]'
rm "$machine/broken"
on_machine ./bazelw build
check "tries again the next time" exits 0

new_machine
on_machine bash -c './bazelw one & ./bazelw two & wait'
check "of two calls at once one installs" \
  eval '(($(grep -c install "$machine/apt.log") == 1))'
check "of two calls at once both run" eval 'says "<one>" && says "<two>"'

new_machine
chmod 555 "$machine/home"
add_sudo
as_user ./bazelw build
check "a home folder that cannot be written is left alone" says "<build>"
check "Bazel's own folder moves along" grep -q "^startup --output_user_root=" \
  "$machine"/tmp/eplb-*/*.bazelrc
new_machine
on_machine env -u HOME XDG_CACHE_HOME="$machine/cache" ./bazelw build
check "HOME need not be set" says "$machine/cache/eplb/"

# --- what tools/bazel promises ---------------------------------------------

new_machine
mkdir "$clone/tools"
sed "s,/usr/,$machine&,g" "$workspace/tools/bazel" >"$clone/tools/bazel"
ln -s "$(command -v sh)" "$(command -v ls)" "$machine/tools"
on_machine sh tools/bazel build
check "without a Bazel behind the launcher it fails" exits 1
check "without a Bazel it says what to do" complains "./bazelw installs one"
check "without a Bazel it says so in one line" one_line
fake "$machine/usr/bin/bazel-4.2.3" <<<'echo "4.2.3 $*"'
on_machine sh tools/bazel build
check "takes the Bazel of the distribution" says "4.2.3 build"
fake "$machine/own/bazel" <<<'echo "own $*"'
on_machine env BAZEL_REAL="$machine/own/bazel" sh tools/bazel build
check "leaves the launcher's choice as it is" says "own build"

echo "$passed passed, $failed failed"
((failed == 0))
