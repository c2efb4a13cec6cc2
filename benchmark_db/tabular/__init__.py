"""Declared tables as installed benchmarks: everything about one is read off its description."""
