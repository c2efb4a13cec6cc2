"""The size space of NATS-Bench: 32,768 widths of one network, three image data sets."""
