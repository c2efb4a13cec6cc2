"""The cells of the spaces as modules of their own, for networks of yours and operations of yours.

from model_hub.cells import NasBench201Cell

edges = {(s, t): "conv_3x3" for t in range(1, 5) for s in range(t)}
cell = NasBench201Cell(edges, channels=32, num_tensors=5)
"""

from __future__ import annotations

from model_hub.blocks.cell import Cell as NasNetCell
from model_hub.cell_graph import CellGraph
from model_hub.genotype import CellGenotype
from model_hub.networks.nasbench101 import Cell as NasBench101Cell
from model_hub.networks.nasbench201 import Cell as NasBench201Cell

__all__ = ["CellGenotype", "CellGraph", "NasBench101Cell", "NasBench201Cell", "NasNetCell"]
