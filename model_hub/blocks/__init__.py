"""Layers and blocks that the networks of several spaces use."""
