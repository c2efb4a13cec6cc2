"""Plans on the server: their cells become jobs, their results are counted and made into databases.

Independent of HTTP and PyTorch. `nas_search.plans` defines plans; `service.jobs` has the jobs and
the ledger.
"""
