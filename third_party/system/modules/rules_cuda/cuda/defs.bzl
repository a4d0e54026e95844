"""The part of rules_cuda that EPLB uses, over the toolkit of the machine.

The names and attributes are those of rules_cuda, so that BUILD files serve
both. Host code is compiled by the C++ toolchain's compiler through nvcc.
"""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")
load("@cuda//:nvcc.bzl", "NVCC")

# Compiled for the H100/H200, and as PTX for what comes after.
_GENCODE = [
    "-gencode=arch=compute_90,code=sm_90",
    "-gencode=arch=compute_90,code=compute_90",
]

def requires_cuda():
    """For target_compatible_with: skipped without toolkit, or switched off."""
    return select({
        "@rules_cuda//cuda:is_enabled": [],
        "//conditions:default": ["@platforms//:incompatible"],
    })

def _compile(ctx, source, context):
    """Declares the nvcc action of one source and returns its object."""
    object = ctx.actions.declare_file(
        "_objs/%s/%s.o" % (ctx.label.name, source.basename),
    )
    args = ctx.actions.args()
    args.add_all(["-x", "cu", "-std=c++20", "-O3", "-lineinfo"] + _GENCODE)
    args.add_all(["-Xcompiler", "-fPIC", "-Xcompiler", "-Wall"])
    args.add_all(ctx.attr.copts)
    args.add_all(context.defines, before_each = "-D")
    args.add_all(context.includes, before_each = "-I")
    args.add_all(context.quote_includes, before_each = "-I")
    args.add_all(context.system_includes, before_each = "-isystem")
    args.add("-c", source)
    args.add("-o", object)
    ctx.actions.run(
        executable = NVCC,
        arguments = [args],
        inputs = depset(
            [source] + ctx.files.hdrs,
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
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = cc_toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    own = CcInfo(compilation_context = cc_common.create_compilation_context(
        headers = depset(ctx.files.hdrs),
    ))
    deps = [dep[CcInfo] for dep in ctx.attr.deps + [ctx.attr._runtime]]
    context = cc_common.merge_cc_infos(
        direct_cc_infos = [own],
        cc_infos = deps,
    ).compilation_context
    objects = depset([_compile(ctx, s, context) for s in ctx.files.srcs])
    linking, _ = cc_common.create_linking_context_from_compilation_outputs(
        actions = ctx.actions,
        name = ctx.label.name,
        feature_configuration = features,
        cc_toolchain = cc_toolchain,
        compilation_outputs = cc_common.create_compilation_outputs(
            objects = objects,
            pic_objects = objects,
        ),
        linking_contexts = [dep.linking_context for dep in deps],
    )
    return [
        DefaultInfo(files = objects),
        CcInfo(compilation_context = context, linking_context = linking),
    ]

cuda_library = rule(
    implementation = _cuda_library_impl,
    attrs = {
        "copts": attr.string_list(),
        "deps": attr.label_list(providers = [CcInfo]),
        "hdrs": attr.label_list(allow_files = [".h", ".cuh"]),
        "srcs": attr.label_list(allow_files = [".cu"]),
        "_cc_toolchain": attr.label(
            default = Label("@bazel_tools//tools/cpp:current_cc_toolchain"),
        ),
        "_runtime": attr.label(default = "@cuda//:cuda_runtime"),
    },
    fragments = ["cpp"],
    incompatible_use_toolchain_transition = True,
    provides = [CcInfo],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
