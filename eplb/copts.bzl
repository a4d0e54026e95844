"""Compiler options that several rooms share."""

# For code whose results must have the same bits in every build: a compiler may
# otherwise fuse a * b + c into one operation that rounds once instead of twice
# where the machine has it, and not where it has none.
DETERMINISTIC_COPTS = ["-ffp-contract=off"]
