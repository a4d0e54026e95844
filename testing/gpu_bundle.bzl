"""gpu_bundle: GPU tests and benchmarks that run where there is no Bazel.

    gpu_bundle(
        name = "gpu_bundle",
        programs = ["//kernels/cuda:cuda_device_test"],
        target_compatible_with = requires_cuda(),
    )

makes gpu_bundle.tar.gz: one folder with bin/, lib/ and run.sh. The project's
own code and the CUDA runtime must be linked into the programs (linkstatic =
True). The distribution's shared libraries (Abseil, glog, Google Benchmark and
what they need) are carried in lib/, which run.sh puts on LD_LIBRARY_PATH: an
rpath in the program would not be searched for what a carried library needs, and
not all of them come as archives. Of the machine where it runs the bundle takes
the driver, NCCL, and the C and C++ libraries, no older than those here.
"""

def _gpu_bundle_impl(ctx):
    archive = ctx.actions.declare_file(ctx.label.name + ".tar.gz")
    programs = [program[DefaultInfo].files_to_run for program in ctx.attr.programs]
    args = ctx.actions.args()
    args.add(archive)
    args.add(ctx.file._run)
    args.add_all([program.executable for program in programs])
    ctx.actions.run(
        executable = ctx.executable._pack,
        arguments = [args],
        inputs = [ctx.file._run] + [program.executable for program in programs],
        tools = programs,
        outputs = [archive],
        mnemonic = "GpuBundle",
        progress_message = "Packing %s" % archive.short_path,
        use_default_shell_env = True,
    )
    return [DefaultInfo(
        files = depset([archive]),
        runfiles = ctx.runfiles(files = [archive]),
    )]

gpu_bundle = rule(
    implementation = _gpu_bundle_impl,
    attrs = {
        "programs": attr.label_list(
            doc = "Tests and benchmarks, linked statically, without data files.",
            cfg = "target",
            mandatory = True,
        ),
        "_pack": attr.label(
            default = "//testing:gpu_bundle_pack.sh",
            allow_single_file = True,
            cfg = "exec",
            executable = True,
        ),
        "_run": attr.label(
            default = "//testing:gpu_bundle_run.sh",
            allow_single_file = True,
        ),
    },
)
