#!/bin/bash
# Runs the GPU tests and benchmarks of this folder, one line per program.
#
#   ./run.sh [--require_gpu] [--verbose] [PROGRAM...]
#
# A program is passed, skipped (it found no device; it says why) or FAILED, with
# its output. Exit status: 0 unless one failed; with --require_gpu a skipped
# program counts as failed. --verbose prints all output (figures of benchmarks).
set -uo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
export LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

require_gpu=false verbose=false programs=()
for argument in "$@"; do
  case "$argument" in
    --require_gpu) require_gpu=true ;;
    --verbose) verbose=true ;;
    -*)
      echo "run.sh: unknown option $argument" >&2
      exit 2
      ;;
    *) programs+=("$here/bin/$(basename "$argument")") ;;
  esac
done
((${#programs[@]})) || programs=("$here"/bin/*)

# Prints passed, skipped or FAILED for an exit status and the file of output.
verdict() {
  if (($1 != 0)); then
    echo FAILED
  elif grep "ERROR OCCURRED" "$2" | grep -qv "no CUDA device: "; then
    # Google Benchmark exits 0 whatever happened.
    echo FAILED
  elif grep -q "no CUDA device: " "$2"; then
    echo skipped
  else
    echo passed
  fi
}

output=$(mktemp)
trap 'rm -f "$output"' EXIT
passed=0 skipped=0 failed=0
for program in "${programs[@]}"; do
  name=$(basename "$program")
  status=0
  "$program" >"$output" 2>&1 || status=$?
  case "$(verdict "$status" "$output")" in
    passed)
      passed=$((passed + 1))
      # Tests that skip on a device want more of it, such as a second one.
      echo "passed   $name$(sed -n 's/^\[  SKIPPED \] \([0-9]* tests\{0,1\}\), .*/, \1 skipped/p' "$output")"
      ;;
    skipped)
      skipped=$((skipped + 1))
      echo "skipped  $name: $(grep -o -m 1 "no CUDA device: [^']*" "$output")"
      ;;
    *)
      failed=$((failed + 1))
      echo "FAILED   $name: exit status $status"
      [[ $verbose == true ]] || cat "$output"
      ;;
  esac
  [[ $verbose == false ]] || cat "$output"
done

echo "$passed passed, $skipped skipped, $failed failed"
[[ $require_gpu == false ]] || failed=$((failed + skipped))
((failed == 0))
