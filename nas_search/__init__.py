"""Search on benchmarks and on spaces of the model hub, and comparison of searches.

Speaks to benchmarks through `bench_client` and to spaces through `model_hub`, loaded with them.

strategies/  what to evaluate next, and loops that ask a strategy until the budget is reached
study/       recorded runs: regret over simulated time, tables, plots
"""
