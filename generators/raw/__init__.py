"""Readers of the formats of raw archives."""
