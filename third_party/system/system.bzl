"""Libraries of the distribution as Bazel repositories, in both modes.

A library that is not installed becomes an incompatible target: Bazel skips
what depends on it and builds the rest.
"""

load(":cuda.bzl", "find_cuda_toolkit")

# target: (header that must exist, libraries to link)
_LIBRARIES = {
    "benchmark": ("benchmark/benchmark.h", ["benchmark"]),
    "benchmark_main": (
        "benchmark/benchmark.h",
        ["benchmark_main", "benchmark"],
    ),
    "glog": ("glog/logging.h", ["glog"]),
    "gloo": ("gloo/config.h", ["gloo"]),
    "gtest": ("gmock/gmock.h", ["gmock", "gtest"]),
    "gtest_main": ("gmock/gmock.h", ["gtest_main", "gmock", "gtest"]),
    "json": ("nlohmann/json.hpp", []),
}

_PKGCONFIG_FOLDERS = [
    "/usr/lib/x86_64-linux-gnu/pkgconfig",
    "/usr/lib/aarch64-linux-gnu/pkgconfig",
    "/usr/lib64/pkgconfig",
]

_BUILD_HEADER = """load("@rules_cc//cc:cc_library.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

"""

def _cc_library(name, linkopts = [], deps = [], missing = False):
    return "cc_library(name = %r, linkopts = %r, deps = %r%s)\n" % (
        name,
        linkopts,
        deps,
        ", target_compatible_with = [\"@platforms//:incompatible\"]" if missing else "",
    )

def _pkgconfig_library(ctx, name, file, known):
    """The cc_library of one .pc file, with its own libraries and needs."""
    deps, linkopts = [], []
    for line in ctx.read(file).split("\n"):
        if line.startswith("Requires:"):
            needs = [
                need.strip().split(" ")[0]
                for need in line[len("Requires:"):].split(",")
            ]

            # absl_strings names itself.
            deps = [":" + n for n in needs if n in known and n != name]
        elif line.startswith("Libs:"):
            linkopts = [
                word
                for word in line.split(" ")
                if word.startswith("-l") or word.startswith("-W")
            ]
    return _cc_library(name, linkopts, deps)

def _pkgconfig_files(ctx, prefix):
    files = {}
    for folder in _PKGCONFIG_FOLDERS:
        folder = ctx.path(folder)
        if not folder.exists:
            continue
        for file in folder.readdir():
            base = file.basename
            if base.startswith(prefix) and base.endswith(".pc"):
                files.setdefault(base[:-len(".pc")], file)
    return files

def _system_libraries_impl(ctx):
    rules = []
    for prefix in ctx.attr.pkgconfig_prefixes:
        files = _pkgconfig_files(ctx, prefix)
        for name, file in sorted(files.items()):
            rules.append(_pkgconfig_library(ctx, name, file, files))
    for name in ctx.attr.libraries:
        header, libraries = _LIBRARIES[name]
        rules.append(_cc_library(
            name,
            ["-l" + library for library in libraries] + ["-pthread"],
            missing = not ctx.path("/usr/include/" + header).exists,
        ))
    ctx.file("WORKSPACE", "")
    ctx.file("BUILD.bazel", _BUILD_HEADER + "\n".join(rules))

_system_libraries = repository_rule(
    implementation = _system_libraries_impl,
    attrs = {
        "libraries": attr.string_list(),
        "pkgconfig_prefixes": attr.string_list(),
    },
    configure = True,
    local = True,
)

_NCCL_HEADER = """load("@bazel_skylib//rules:common_settings.bzl", "bool_setting")
{header}bool_setting(
    name = "is_found",
    build_setting_default = {is_found},
)

"""

def _nccl_impl(ctx):
    # NVIDIA ships NCCL inside the toolkit or as packages of its own.
    toolkit = find_cuda_toolkit(ctx)
    prefixes = ["/usr"]
    if toolkit:
        prefixes.insert(0, toolkit)
    rule = _cc_library("nccl", missing = True)
    for prefix in prefixes:
        header = ctx.path(prefix + "/include/nccl.h")
        if toolkit and header.exists:
            # Only the headers of NCCL: /usr/include is searched anyway, and
            # the toolkit's are @cuda's to give.
            for file in header.dirname.readdir():
                if file.basename.startswith("nccl"):
                    ctx.symlink(file, "include/" + file.basename)
            rule = """cc_library(
    name = "nccl",
    hdrs = glob(["include/**"]),
    includes = ["include"],
    linkopts = %r,
    deps = ["@cuda//:cuda_runtime"],
)
""" % (["-L%s/%s" % (prefix, d) for d in ["lib64", "lib/x86_64-linux-gnu"] if ctx.path("%s/%s" % (prefix, d)).exists] +
       ["-lnccl", "-Wl,-rpath,%s/lib64" % prefix])
            break
    ctx.file("WORKSPACE", "")
    ctx.file("BUILD.bazel", _NCCL_HEADER.format(
        header = _BUILD_HEADER,
        is_found = "incompatible" not in rule,
    ) + rule)

_system_nccl = repository_rule(
    implementation = _nccl_impl,
    environ = ["CUDA_PATH", "PATH"],
    configure = True,
    local = True,
)

def _module_impl(ctx):
    folder = ctx.path(Label("//third_party/system:BUILD.bazel")).dirname
    module = folder.get_child("modules").get_child(ctx.attr.module)
    for entry in module.readdir():
        if entry.basename != "WORKSPACE":
            ctx.symlink(entry, entry.basename)
    ctx.file("WORKSPACE", "")

system_module = repository_rule(
    doc = """A stand-in under the name that the registry uses (WORKSPACE mode;
    module mode reads the same folder through --override_module).""",
    implementation = _module_impl,
    attrs = {"module": attr.string(mandatory = True)},
    local = True,
)

SYSTEM_REPOSITORIES = ["eplb_system", "gloo", "nccl"]

def system_libraries(names):
    """Declares those of SYSTEM_REPOSITORIES that are named.

    Args:
      names: the repositories to declare.
    """
    for name in names:
        if name == "eplb_system":
            # What the stand-ins under modules/ point to.
            _system_libraries(
                name = name,
                libraries = [
                    "benchmark",
                    "benchmark_main",
                    "glog",
                    "gtest",
                    "gtest_main",
                    "json",
                ],
                pkgconfig_prefixes = ["absl_"],
            )
        elif name == "gloo":
            _system_libraries(name = name, libraries = ["gloo"])
        elif name == "nccl":
            _system_nccl(name = name)
        else:
            fail("no system repository is called %s" % name)
