"""Zero-cost proxies: scores of untrained networks from at most one batch of images.

    from nas_search import proxies

    proxies.score(space, sample, (images, labels), ["synflow", "nwot"])

Imports PyTorch, unlike strategies, problems and studies.
"""

from __future__ import annotations

from missing_extra import needs

with needs("hub", "a zero-cost proxy"):
    from nas_search.proxies.evaluator import NetworkScore, ProxyEvaluator
    from nas_search.proxies.scoring import Batch, proxy_names, score, score_network

__all__ = ["Batch", "NetworkScore", "ProxyEvaluator", "proxy_names", "score", "score_network"]
