"""The worker: leases jobs, runs each in a process of its own, and reports results."""
