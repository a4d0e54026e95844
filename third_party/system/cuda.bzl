"""The CUDA toolkit of the machine as the repository @cuda."""

_USUAL_PREFIX = "/usr/local/cuda"

def _is_toolkit(ctx, prefix):
    return (ctx.path(prefix + "/bin/nvcc").exists and
            ctx.path(prefix + "/include/cuda_runtime.h").exists)

def find_cuda_toolkit(ctx):
    """Finds the toolkit of the machine.

    CUDA_PATH decides when it is set, also when it names a folder without a
    toolkit; then nvcc on PATH, unless it is a script that stands away from its
    toolkit; then the usual prefix.

    Args:
      ctx: a repository context.

    Returns:
      the toolkit's folder, or None.
    """
    named = ctx.os.environ.get("CUDA_PATH", "")
    if named:
        return named if _is_toolkit(ctx, named) else None
    nvcc = ctx.which("nvcc")
    if nvcc:
        prefix = str(nvcc.realpath.dirname.dirname)
        if _is_toolkit(ctx, prefix):
            return prefix
    return _USUAL_PREFIX if _is_toolkit(ctx, _USUAL_PREFIX) else None

_BUILD = """load("@bazel_skylib//rules:common_settings.bzl", "bool_setting")
load("@rules_cc//cc:cc_library.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])

bool_setting(
    name = "valid_toolchain_found",
    build_setting_default = {found},
)

cc_library(
    name = "cuda_runtime",
    hdrs = glob(["include/**"], exclude = ["include/nccl*", "include/nccl*/**"]),
    includes = ["include"],
    linkopts = {linkopts},
)
"""

def _system_cuda_impl(ctx):
    toolkit = find_cuda_toolkit(ctx)
    linkopts = []
    if toolkit:
        ctx.symlink(toolkit + "/include", "include")

        # The static runtime: a program needs only the driver where it runs.
        linkopts = ["-L%s/lib64" % toolkit, "-lcudart_static", "-ldl", "-lrt"]
    ctx.file("WORKSPACE", "")
    ctx.file("nvcc.bzl", "NVCC = %r\n" % (
        toolkit + "/bin/nvcc" if toolkit else ""
    ))
    ctx.file("BUILD.bazel", _BUILD.format(
        found = bool(toolkit),
        linkopts = repr(linkopts),
    ))

system_cuda = repository_rule(
    implementation = _system_cuda_impl,
    environ = ["CUDA_PATH", "PATH"],
    configure = True,
    local = True,
)
