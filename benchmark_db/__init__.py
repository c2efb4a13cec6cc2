"""Benchmark data: search spaces, databases of recorded runs, and queries. No HTTP, no torch."""
