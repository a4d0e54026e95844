"""Compiler options that the library's own targets need wherever they build."""

# What decides gives the same bits on every machine: a compiler may otherwise
# fuse a multiplication with an addition, which rounds once in place of twice.
DETERMINISTIC_COPTS = ["-ffp-contract=off"]
