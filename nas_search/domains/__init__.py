"""Domains: the sets of architectures from which searches draw.

described_domain(spec)    architectures of a benchmark or a declared table
served_domain(benchmark)  the same by the name of a published benchmark
HubDomain(choices)        samples of a space of the model hub
choice_domain(choices)    independent choices given by label
ListedDomain(archs)       a plain list without choices
AdmittedDomain(domain)    the part of a domain that a problem admits
PathEncoding(domain)      path encoding of cells
walk(domain)              iteration over all architectures
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
