"""Declared tables as installed benchmarks, interpreted from their descriptions."""
