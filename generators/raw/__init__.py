"""Readers of the formats in which the raw archives come."""
