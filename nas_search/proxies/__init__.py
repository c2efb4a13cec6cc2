"""Zero-cost proxies: scores of initialised networks by one batch, or by none.

    from nas_search import proxies

    proxies.score(space, sample, (images, labels), ["synflow", "nwot"])

Loads PyTorch, unlike strategies, problems and studies.
"""

from __future__ import annotations

from missing_extra import needs

with needs("hub", "a zero-cost proxy"):
    from nas_search.proxies.evaluator import NetworkScore, ProxyEvaluator
    from nas_search.proxies.scoring import Batch, proxy_names, score, score_network

__all__ = ["Batch", "NetworkScore", "ProxyEvaluator", "proxy_names", "score", "score_network"]
