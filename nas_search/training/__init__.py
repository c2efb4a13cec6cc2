"""Training of networks: recipes, the training loop, checkpoints, and an evaluator for studies.

    from nas_search.training import Classification, Recipe, images_of, split

    train, valid = split(images_of(read_cifar10(folder, train=True)), (0.5, 0.5), seed=0)
    problem = SpaceProblem(space, Classification(train, valid, recipe=Recipe(epochs=10)))

Imports PyTorch, unlike strategies, problems and studies.
"""

from __future__ import annotations

from missing_extra import needs

with needs("hub", "training"):
    from nas_search.recipe import Recipe, published_recipe, recipe_names
    from nas_search.training.checkpoint import Checkpoints, TornCheckpointWarning
    from nas_search.training.classification import Classification
    from nas_search.training.custom import (
        CustomTrainer,
        TrainerData,
        TrainerProtocol,
        TrainerReport,
    )
    from nas_search.training.data import Images, ImageSet
    from nas_search.training.loop import Trainer, Training
    from nas_search.training.parallel import parallel
    from nas_search.training.reading import StreamedImages, images_of
    from nas_search.training.splitting import Split, split, split_places
    from nas_search.training.tokens import Tokens

__all__ = [
    "Checkpoints",
    "Classification",
    "CustomTrainer",
    "ImageSet",
    "Images",
    "Recipe",
    "Split",
    "StreamedImages",
    "Tokens",
    "TornCheckpointWarning",
    "Trainer",
    "TrainerData",
    "TrainerProtocol",
    "TrainerReport",
    "Training",
    "images_of",
    "parallel",
    "published_recipe",
    "recipe_names",
    "split",
    "split_places",
]
