"""NAS-Bench-101: cells, their hash, neighbours and networks, the whole space, recorded runs."""
