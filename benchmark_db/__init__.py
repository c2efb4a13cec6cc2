"""The data: what an architecture is, the tables, the queries. No HTTP, no torch."""
