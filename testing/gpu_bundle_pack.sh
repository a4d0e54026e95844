#!/bin/bash
# Packs programs with the shared libraries that they need: see gpu_bundle.bzl.
#
#   gpu_bundle_pack.sh ARCHIVE RUN_SCRIPT PROGRAM...
set -euo pipefail

archive=$1 run_script=$2
shift 2

fail() {
  echo "gpu_bundle: $*" >&2
  exit 1
}

# The machine where the bundle runs has these: the C and C++ libraries, which
# must be one set with its loader, and NVIDIA's, which go with its driver.
is_of_the_machine() {
  case "$1" in
    linux-vdso.so.* | */ld-linux*.so.* | ld-linux*.so.*) true ;;
    libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.*) true ;;
    libstdc++.so.* | libgcc_s.so.*) true ;;
    libcuda.so.* | libnvidia-ml.so.* | libnccl.so.*) true ;;
    *) false ;;
  esac
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
bundle=$folder/gpu_bundle
mkdir -p "$bundle/bin" "$bundle/lib"

for program in "$@"; do
  name=$(basename "$program")
  [[ ! -e $bundle/bin/$name ]] || fail "two programs are called $name"
  install -m 755 "$program" "$bundle/bin/$name"
  strip --strip-debug "$bundle/bin/$name"
  # "NAME => PATH (ADDRESS)" or "NAME (ADDRESS)"
  while read -r library arrow path _; do
    is_of_the_machine "$library" && continue
    [[ $arrow == "=>" && $path == /* ]] || fail "$name needs $library: $path"
    case "$path" in
      *_solib_* | */bazel-out/*)
        fail "$name needs $library of this build; give it linkstatic = True"
        ;;
    esac
    cp -L "$path" "$bundle/lib/$library"
  done < <(ldd "$program")
done

install -m 755 "$run_script" "$bundle/run.sh"
tar -C "$folder" --sort=name --owner=0 --group=0 --numeric-owner \
  --mtime=@0 -cf - gpu_bundle | gzip -n >"$archive"

limit=$((60 << 20))
size=$(stat -c %s "$archive")
((size <= limit)) || fail "$size bytes, more than the $limit that may travel"
