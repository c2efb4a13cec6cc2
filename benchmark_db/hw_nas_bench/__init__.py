"""HW-NAS-Bench: measured costs of every NAS-Bench-201 architecture on six devices."""
