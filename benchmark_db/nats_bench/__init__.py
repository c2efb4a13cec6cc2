"""What both spaces of NATS-Bench record alike: topologies (NAS-Bench-201) and sizes."""
