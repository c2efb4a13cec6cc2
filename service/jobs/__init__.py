"""Durable jobs: the table that is the truth, the messages that say "look", and the artifacts."""
