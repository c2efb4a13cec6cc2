"""Converters from raw archives to databases, one module per benchmark."""
