"""All model spaces: arguments and choices; `model_hub.networks` and `model_hub.blocks` build them.

Nothing here needs PyTorch before a network is made.
"""

from __future__ import annotations

from model_hub.spaces.autoformer import AutoFormer
from model_hub.spaces.fbnet import FBNet
from model_hub.spaces.lightspeech import LightSpeech
from model_hub.spaces.mobilenetv3 import MobileNetV3Space
from model_hub.spaces.nas_bert import NASBERT
from model_hub.spaces.nasbench101 import NasBench101
from model_hub.spaces.nasbench201 import NasBench201
from model_hub.spaces.nasnet import DARTS, ENAS, PNAS, AmoebaNet, NASNet
from model_hub.spaces.natssss import NatsSss
from model_hub.spaces.nds_stages import ResidualBasic, ResidualBottleneck, Vanilla
from model_hub.spaces.proxylessnas import ProxylessNAS
from model_hub.spaces.shufflenet import ShuffleNetSpace
from model_hub.spaces.single_path_nas import SinglePathNAS

__all__ = [
    "DARTS",
    "ENAS",
    "NASBERT",
    "PNAS",
    "AmoebaNet",
    "AutoFormer",
    "FBNet",
    "LightSpeech",
    "MobileNetV3Space",
    "NASNet",
    "NasBench101",
    "NasBench201",
    "NatsSss",
    "ProxylessNAS",
    "ResidualBasic",
    "ResidualBottleneck",
    "ShuffleNetSpace",
    "SinglePathNAS",
    "Vanilla",
]
