"""Searches cells of at most 500,000 multiply-adds by training them on scikit-learn's digits.

    python examples/train_on_digits.py [FOLDER]

Needs neither a download nor a GPU: 1,797 images of 8 x 8 pixels. NSGA-II searches for accurate and
small networks. The search stops halfway, resumes from its file, and plots the front into FOLDER
(default: `runs`). It takes ten seconds of one core; a second run finds the study complete.
"""

from __future__ import annotations

import sys
from pathlib import Path

from missing_extra import needs

with needs("dev", "this example"):  # only the extra `dev` has scikit-learn
    import torch
    from sklearn.datasets import load_digits

    import model_hub
    from nas_search import Budget, SpaceProblem, Study
    from nas_search.strategies import NSGA2
    from nas_search.study import plot_front
    from nas_search.training import Classification, Images, Recipe, split

TRIALS = (4, 6)
MOST_MACS = 500e3


def main() -> None:
    """Run half of the search, reopen its file, run the rest, and plot the front."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs")
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # more do not help networks this small
    space = model_hub.space(
        "NasBench201", stem_out_channels=8, num_modules_per_stack=1, image_size=8, num_labels=10
    )
    train, valid, test = split(digits(), (0.5, 0.25, 0.25), seed=0)
    recipe = Recipe(epochs=4, batch_size=64, lr=0.1, nesterov=True, weight_decay=5e-4, crop=1)
    trained = Classification(train, valid, test=test, recipe=recipe)
    problem = SpaceProblem(
        space, trained, objectives=["accuracy", "-macs"], bounds={"macs": (None, MOST_MACS)}
    )
    for trials in TRIALS:
        # Each time a new strategy, which replays the proposals and results of the file.
        strategy = NSGA2(population_size=3, seed=0)
        with Study(folder / "digits.study", problem, strategy) as study:
            begun = len(study.trials)
            study.run(Budget(trials=trials))
            print(f"trials {begun} to {len(study.trials)}")
            best, front = study.best, study.front
            plot_front(study, folder / "digits.svg")
    for trial in front:
        print(f"{trial.metrics['accuracy']:6.2f} % with {trial.metrics['macs']:9,.0f} macs")
    if best is not None:
        figures = trained.final(space, best.sample)
        print(f"the best has {figures['test_accuracy']:.2f} % of the test images right")


def digits() -> Images:
    """Return the digits with their grey channel repeated three times."""
    held = load_digits()
    grey = torch.from_numpy(held.images * (255 / 16)).round().to(torch.uint8)
    return Images(grey[:, None].repeat(1, 3, 1, 1), torch.from_numpy(held.target).long())


if __name__ == "__main__":
    main()
