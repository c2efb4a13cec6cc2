"""NAS-Bench-101: what a cell is, its hash, its neighbours, its network, the whole space."""
