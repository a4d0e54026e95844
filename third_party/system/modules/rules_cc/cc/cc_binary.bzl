"""Bazel 4 has the rule built in; newer versions take it from rules_cc."""

cc_binary = native.cc_binary
