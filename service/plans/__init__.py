"""Plans on the server's side: fed into the table of jobs, counted, and made into databases.

Knows nothing of HTTP and loads no PyTorch. `nas_search.plans` is the plan itself; `service.jobs`
has the jobs and the ledger.
"""
