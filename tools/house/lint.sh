#!/bin/bash
# Format and lint of all sources: tools/house/lint.sh [--fix]
#
# C++ and CUDA by clang-format 14, BUILD and .bzl files by buildifier, shell
# scripts by shellcheck. Prints one line per problem and fails if there is any;
# --fix rewrites what can be rewritten. A tool that is missing is installed and
# said: from the distribution's packages, buildifier into the user's cache.
set -euo pipefail

buildifier_version=8.2.1
buildifier_sha256=b96ea9b13003036c801f52bee6f9b0314738f8432e5cb9d814c89f59292604ee
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/eplb

fail() {
  echo "lint: $*" >&2
  exit 2
}

fix=false
case "$*" in
  "") ;;
  --fix) fix=true ;;
  *) fail "usage: tools/house/lint.sh [--fix]" ;;
esac
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../.."

# require_program PROGRAM PACKAGE
require_program() {
  command -v "$1" >/dev/null && return
  local as_root=()
  ((EUID == 0)) || as_root=(sudo)
  echo "lint: installing $2" >&2
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get -qy -o DPkg::Lock::Timeout=300)
  {
    "${apt[@]}" update || true
    "${apt[@]}" install --no-install-recommends "$2"
  } >/dev/null 2>&1 || fail "could not install $2"
}

# Sets buildifier to the binary that the npm package carries.
require_buildifier() {
  local machine
  case "$(uname -m)" in
    x86_64) machine=amd64 ;;
    aarch64) machine=arm64 ;;
    *) fail "no buildifier for $(uname -m)" ;;
  esac
  buildifier=$cache/buildifier-$buildifier_version-$machine
  [[ -x $buildifier ]] && return
  local package=@bazel/buildifier@$buildifier_version folder archive
  echo "lint: installing $package as $buildifier" >&2
  require_program npm npm
  mkdir -p "$cache"
  folder=$(mktemp -d "$cache/buildifier.XXXXXX")
  archive=$folder/$(npm pack --silent --pack-destination "$folder" "$package") ||
    fail "could not load $package"
  sha256sum --quiet -c - <<<"$buildifier_sha256  $archive" ||
    fail "$package is not the package that was expected"
  tar -xzf "$archive" -C "$folder"
  mv "$folder/package/buildifier-linux_$machine" "$buildifier"
  rm -rf "$folder"
}

# The tracked and the new files, without what git ignores, that match.
sources() {
  git ls-files --cached --others --exclude-standard --deduplicate -- "$@" |
    while IFS= read -r file; do
      [[ ! -f $file ]] || printf '%s\n' "$file"
    done
}

format_cpp() {
  local files
  mapfile -t files < <(sources '*.h' '*.cc' '*.cu' '*.cuh')
  ((${#files[@]})) || fail "no C++ source found"
  if [[ $fix == true ]]; then
    clang-format-14 -i "${files[@]}"
    return
  fi
  local report
  # Findings are warnings; a file of options that cannot be read is an error.
  report=$(clang-format-14 --dry-run "${files[@]}" 2>&1) ||
    fail "clang-format failed: $(head -n 1 <<<"$report")"
  sed -n 's/^\([^:]*:[0-9]*\):[0-9]*: warning: .*/\1: not as clang-format prints it/p' \
    <<<"$report" | uniq
}

lint_build_files() {
  local files
  mapfile -t files < <(sources '*.bazel' '*.bzl' '*.bzlmod' 'WORKSPACE' '*/WORKSPACE')
  ((${#files[@]})) || fail "no BUILD file found"
  if [[ $fix == true ]]; then
    "$buildifier" -mode=fix -lint=fix "${files[@]}" >/dev/null 2>&1 || true
  fi
  local report status=0
  report=$("$buildifier" -mode=check -lint=warn "${files[@]}" 2>&1) || status=$?
  # 4: there are findings, each a line with its place and lines of advice.
  if ((status == 0 || status == 4)); then
    sed -n -E -e 's/ # reformat$/: not as buildifier prints it/' -e 's/ \(https:.*\)$//' \
      -e '/^[^ ]+: /p' <<<"$report"
  else
    fail "buildifier ended with status $status: $report"
  fi
}

lint_scripts() {
  local files
  mapfile -t files < <(
    sources '*.sh' bazelw tools/bazel .ci/run
  )
  # 1: there are findings.
  shellcheck -f gcc "${files[@]}" || (($? == 1)) || fail "shellcheck failed"
}

require_program clang-format-14 clang-format-14
require_program shellcheck shellcheck
require_buildifier

problems=$(
  format_cpp
  lint_build_files
  lint_scripts
)
[[ -z $problems ]] && exit 0
printf '%s\n' "$problems"
echo "lint: $(wc -l <<<"$problems") problem(s)$(
  [[ $fix == true ]] || echo "; tools/house/lint.sh --fix rewrites what it can"
)" >&2
exit 1
