"""Blocks that several spaces share, built of concrete widths, strides and norms."""
