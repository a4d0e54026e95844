"""rules_cuda's extension by name: the toolkit of the machine as @cuda."""

load("@eplb//third_party/system:cuda.bzl", "system_cuda")

def _impl(_ctx):
    system_cuda(name = "cuda")

toolchain = module_extension(implementation = _impl)
