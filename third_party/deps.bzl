"""WORKSPACE mode (Bazel 4.2 to 7): all that a workspace using @eplb needs.

A repository that the caller has already declared is left as it is.
"""

load(
    "//third_party/system:cuda.bzl",
    "system_cuda",
)
load(
    "//third_party/system:system.bzl",
    "system_libraries",
    "system_module",
)

# Starlark libraries that the distribution ships as folders.
_FOLDERS = {
    "bazel_skylib": "/usr/share/bazel/tools/skylib",
    "platforms": "/usr/share/bazel/tools/platforms",
    "rules_java": "/usr/share/bazel/rules/java",
    "rules_proto": "/usr/share/bazel/rules/proto",
}

# Registry modules with a stand-in under third_party/system/modules.
_STAND_INS = [
    "abseil-cpp",
    "glog",
    "google_benchmark",
    "googletest",
    "nlohmann_json",
    "remote_coverage_tools",
    "rules_cc",
    "rules_cuda",
]

# buildifier: disable=unnamed-macro
def eplb_deps():
    """Declares the repositories that @eplb builds with."""
    declared = native.existing_rules()
    for name, path in _FOLDERS.items():
        if name not in declared:
            native.local_repository(name = name, path = path)
    for name in _STAND_INS:
        if name not in declared:
            system_module(name = name, module = name)
    if "cuda" not in declared:
        system_cuda(name = "cuda")
    system_libraries([
        name
        for name in ["eplb_system", "gloo", "nccl"]
        if name not in declared
    ])
