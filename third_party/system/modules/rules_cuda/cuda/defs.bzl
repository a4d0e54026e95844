"""The part of rules_cuda that EPLB uses, over the toolkit of the machine.

The names and attributes are those of rules_cuda, so that BUILD files serve
both:

    load("@rules_cuda//cuda:defs.bzl", "cuda_library", "requires_cuda")

    cuda_library(
        name = "fill",
        srcs = ["fill.cu"],
        hdrs = ["fill.h"],
        target_compatible_with = requires_cuda(),
    )
"""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")
load("@cuda//:nvcc.bzl", "NVCC")

# Read by Bazel 4 to 7 only, where these are global.
_CcInfo = CcInfo  # buildifier: disable=native-cc-info
_cc_common = cc_common  # buildifier: disable=native-cc-common

# Compiled for the H100/H200, and as PTX for what comes after.
_GENCODE = [
    "-gencode=arch=compute_90,code=sm_90",
    "-gencode=arch=compute_90,code=compute_90",
]

_HEADERS = [".cuh", ".h", ".inc"]

def requires_cuda():
    """For target_compatible_with: skips without a toolkit or when switched off.

    Returns:
      the constraint, a select().
    """
    return select({
        str(Label("//cuda:is_enabled")): [],
        "//conditions:default": [Label("@platforms//:incompatible")],
    })

def _own_context(ctx):
    """The headers of the rule, found by their path from the root."""
    root = ctx.label.workspace_root
    return _cc_common.create_compilation_context(
        headers = depset(ctx.files.hdrs),
        quote_includes = depset([
            root or ".",
            ctx.bin_dir.path + ("/" + root if root else ""),
        ]),
    )

def _compile(ctx, host_compiler, source, context):
    """Declares the nvcc action of one source and returns its object."""
    object = ctx.actions.declare_file(
        "_objs/%s/%s.o" % (ctx.label.name, source.basename),
    )
    private_headers = [f for f in ctx.files.srcs if f.extension != "cu"]
    args = ctx.actions.args()
    args.add("-ccbin", host_compiler)
    args.add_all(["-x", "cu", "-std=c++20", "-O3", "-lineinfo"] + _GENCODE)
    args.add("-Xcompiler", "-fPIC")
    args.add_all(context.defines, before_each = "-D")
    args.add_all(context.includes, before_each = "-I")

    # nvcc has no -iquote.
    args.add_all(context.quote_includes, before_each = "-I")
    args.add_all(context.system_includes, before_each = "-isystem")
    args.add_all(ctx.attr.copts)
    args.add("-c", source)
    args.add("-o", object)
    ctx.actions.run(
        executable = NVCC,
        arguments = [args],
        inputs = depset(
            [source] + private_headers,
            transitive = [context.headers],
        ),
        outputs = [object],
        mnemonic = "CudaCompile",
        progress_message = "Compiling %s" % source.short_path,
        use_default_shell_env = True,
    )
    return object

def _cuda_library_impl(ctx):
    cc_toolchain = find_cpp_toolchain(ctx)
    features = _cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = cc_toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    host_compiler = _cc_common.get_tool_for_action(
        feature_configuration = features,
        action_name = "c++-compile",
    )
    deps = [dep[_CcInfo] for dep in ctx.attr.deps + [ctx.attr._runtime]]
    context = _cc_common.merge_cc_infos(
        direct_cc_infos = [_CcInfo(compilation_context = _own_context(ctx))],
        cc_infos = deps,
    ).compilation_context
    objects = depset([
        _compile(ctx, host_compiler, source, context)
        for source in ctx.files.srcs
        if source.extension == "cu"
    ])

    # Never as a shared library: each would carry a runtime of its own, with its
    # own idea of the current device.
    linking, _ = _cc_common.create_linking_context_from_compilation_outputs(
        actions = ctx.actions,
        name = ctx.label.name,
        feature_configuration = features,
        cc_toolchain = cc_toolchain,
        compilation_outputs = _cc_common.create_compilation_outputs(
            objects = objects,
            pic_objects = objects,
        ),
        linking_contexts = [dep.linking_context for dep in deps],
        disallow_dynamic_library = True,
    )
    return [
        DefaultInfo(files = objects),
        _CcInfo(compilation_context = context, linking_context = linking),
    ]

cuda_library = rule(
    doc = "A cc_library of CUDA sources; cc rules can depend on it.",
    implementation = _cuda_library_impl,
    attrs = {
        "copts": attr.string_list(
            doc = "Options for nvcc, after those of the rule.",
        ),
        "deps": attr.label_list(
            doc = "C++ and CUDA libraries.",
            providers = [_CcInfo],
        ),
        "hdrs": attr.label_list(
            doc = "Headers that dependents may include.",
            allow_files = _HEADERS,
        ),
        "srcs": attr.label_list(
            doc = "Sources and private headers.",
            allow_files = [".cu"] + _HEADERS,
        ),
        "_cc_toolchain": attr.label(
            default = "@bazel_tools//tools/cpp:current_cc_toolchain",
        ),
        "_runtime": attr.label(default = "@cuda//:cuda_runtime"),
    },
    fragments = ["cpp"],
    incompatible_use_toolchain_transition = True,
    provides = [_CcInfo],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
