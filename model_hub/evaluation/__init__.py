"""Evaluation of networks on labelled images: accuracy under a preprocessing protocol.

    from model_hub import evaluation, zoo

    record = zoo.record("proxyless-mobile")
    images = evaluation.read_images(folder)
    print(evaluation.evaluate(zoo.load(record.name), images, record.protocol))

Data sets are labelled images in a fixed order (`LabelledImages`): a folder of classes, a folder
with `labels.csv`, a tar archive of either, or CIFAR.
"""

from __future__ import annotations

from missing_extra import needs

with needs("hub", "an evaluation"):
    from model_hub.errors import (
        ClassesError,
        DamagedImageError,
        DatasetError,
        LabelError,
        OutputError,
    )
    from model_hub.evaluation.accuracy import ClassScore, Confusion, Evaluation
    from model_hub.evaluation.cifar import ImageArray, read_cifar10, read_cifar100
    from model_hub.evaluation.datasets import (
        ImageFiles,
        LabelledImages,
        read_folder,
        read_images,
        read_tar,
    )
    from model_hub.evaluation.scoring import evaluate
    from model_hub.evaluation.transform import read_image, transformed

__all__ = [
    "ClassScore",
    "ClassesError",
    "Confusion",
    "DamagedImageError",
    "DatasetError",
    "Evaluation",
    "ImageArray",
    "ImageFiles",
    "LabelError",
    "LabelledImages",
    "OutputError",
    "evaluate",
    "read_cifar10",
    "read_cifar100",
    "read_folder",
    "read_image",
    "read_images",
    "read_tar",
    "transformed",
]
