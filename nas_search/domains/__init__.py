"""What searches draw from: a benchmark, a space of the model hub, choices of a user.

described_domain(spec)    the architectures of a benchmark or a declared table
served_domain(benchmark)  the same by the name of a published benchmark
HubDomain(choices)        the samples of a space of the model hub
choice_domain(choices)    independent choices of a user, by label
ListedDomain(archs)       a list without choices
AdmittedDomain(domain)    those of a domain that a problem admits
PathEncoding(domain)      vectors of cells by the paths through them
walk(domain)              all of them, in the order of the grid
"""

from __future__ import annotations

from nas_search.domains.admitted import AdmittedDomain, Refusal
from nas_search.domains.described import described_domain, served_domain
from nas_search.domains.hub import HubDomain
from nas_search.domains.listed import ListedDomain
from nas_search.domains.paths import PathEncoding
from nas_search.domains.product import Product, ProductDomain, choice_domain
from nas_search.domains.walk import walk

__all__ = [
    "AdmittedDomain",
    "HubDomain",
    "ListedDomain",
    "PathEncoding",
    "Product",
    "ProductDomain",
    "Refusal",
    "choice_domain",
    "described_domain",
    "served_domain",
    "walk",
]
