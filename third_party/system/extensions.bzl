"""The machine's own libraries for MODULE.bazel (Bazel 6 and later)."""

load(":system.bzl", "SYSTEM_REPOSITORIES", "system_libraries")

def _impl(_ctx):
    system_libraries(SYSTEM_REPOSITORIES)

system = module_extension(implementation = _impl)
