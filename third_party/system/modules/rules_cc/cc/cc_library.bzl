"""Bazel 4 has the rule built in; newer versions take it from rules_cc."""

cc_library = native.cc_library
