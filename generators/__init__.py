"""From raw archives to databases, one module a benchmark."""
