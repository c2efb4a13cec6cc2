"""The companion worker: takes jobs, does each in a process of its own, reports."""
