"""HW-NAS-Bench: what every NAS-Bench-201 architecture costs on six devices."""
