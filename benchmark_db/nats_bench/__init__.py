"""Shared code of the NATS-Bench spaces: topologies (NAS-Bench-201) and sizes."""
