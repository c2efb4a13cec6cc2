"""NAS-Bench-201: 15,625 cells of four nodes, three image data sets, two budgets."""
