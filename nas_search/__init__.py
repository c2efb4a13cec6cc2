"""Search on benchmarks, and comparison of searches; speaks to benchmarks through `bench_client`.

strategies/  what to evaluate next, and loops that ask a strategy until the budget is reached
study/       recorded runs: regret over simulated time, tables, plots
"""
