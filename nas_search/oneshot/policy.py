"""ENAS: a policy draws paths and learns from their accuracy (Pham et al., arXiv:1802.03268).

An epoch trains weights on paths drawn by the policy; then the policy takes some steps on batches of
validation images with fixed weights. No mixture is needed, so sliced spaces are supported as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from model_hub.arguments import a_count, a_number, one_of
from model_hub.choices import Categorical
from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.search_space import SearchSpace
from nas_search.oneshot.inherited import Inherited
from nas_search.oneshot.recalibration import BATCHES, kept_statistics
from nas_search.oneshot.supernet import Supernet
from nas_search.oneshot.training import Found, Halves, SupernetTrainer
from nas_search.problems.problem import silent
from nas_search.training import Recipe
from nas_search.training.checkpoint import Saved, part_of
from nas_search.training.data import order_of_epoch, seeded
from nas_search.training.loop import Epoch
from nas_search.training.optimizing import restore, state_of
from nas_search.training.parallel import Group

__all__ = ["PolicyFound", "PolicyPaths", "PolicyTrainer", "search_by_policy"]

_TRIES: Final = 1000
_SPREAD: Final = 1e-3
_WIDTH: Final = 64
_TANH: Final = 2.5
_TEMPERATURE: Final = 5.0
"""Constants of the published controller: logits are 2.5 tanh(logits / 5)."""


@dataclass(frozen=True, kw_only=True)
class PolicyPaths:
    """Settings of the policy of ENAS.

    Args:
        controller: `logits`: the choices are independent. `lstm`: the probabilities of a choice
            depend on the choices before it, through one LSTM layer of width 64.
        updates: Steps of the policy after each epoch of weights.
        learning_rate: Learning rate of Adam.
        baseline_decay: Decay of the moving average of rewards.
        entropy_weight: Weight of the entropy of a draw in its reward.
        draws: Number of paths drawn and compared at the end.
        batches: Number of batches for the statistics of norms of each of them.

    Raises:
        InvalidArgumentError: An argument is invalid.
    """

    controller: Literal["logits", "lstm"] = "logits"
    updates: int = 50
    learning_rate: float = 3.5e-4
    baseline_decay: float = 0.95
    entropy_weight: float = 1e-4
    draws: int = 10
    batches: int = BATCHES

    def __post_init__(self) -> None:
        one_of("controller", self.controller, ("logits", "lstm"))
        a_count("updates", self.updates)
        a_number("learning_rate", self.learning_rate, least=1e-12, most=1e3)
        a_number("baseline_decay", self.baseline_decay, least=0, most=1)
        a_number("entropy_weight", self.entropy_weight, least=0, most=1e3)
        a_count("draws", self.draws)
        a_count("batches", self.batches, least=0)

    @property
    def settings(self) -> dict[str, Any]:
        """The name and every argument, as JSON."""
        return {"name": type(self).__name__, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class PolicyFound:
    """The result of a search by a policy.

    Attributes:
        sample: The best of the last draws of the policy.
        metrics: Metrics of the sample with inherited weights and its own statistics of norms.
        curve: Metrics of each epoch: those of a training, the mean `policy/reward` of the policy's
            steps in percent, and the mean `policy/entropy` of their draws in nats.
        seconds: Seconds of training in this call.
    """

    sample: dict[str, Any]
    metrics: Mapping[str, float]
    curve: tuple[Epoch, ...]
    seconds: float


def search_by_policy(
    supernet: Supernet,
    data: Halves,
    policy: PolicyPaths | None = None,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    device: torch.device | str = "cpu",
    report: Callable[[Epoch], object] | None = None,
) -> PolicyFound:
    """Train a supernet and a policy alternately (ENAS); return the best of the policy's last draws.

    Args:
        supernet: The supernet, trained in place and left with the found path active.
        data: Images for training weights, and images for the policy.
        policy: Settings of the policy; None: the defaults.
        recipe: The recipe for weights; None: the defaults of `Recipe`, with ten epochs.
        seed: Seed of the policy, the order of images and all other random draws.
        checkpoint: A folder for the newest two checkpoints, from which a later call resumes.
        device: The device.
        report: Takes the metrics of each epoch; if it returns True, the training stops.

    Raises:
        InvalidArgumentError: A choice takes several candidates at once, or there are fewer images
            than a batch has.
        OtherTrainingError: The folder belongs to another space, policy, seed, recipe or images.
        OutputError: A loss or a gradient is not finite.
    """
    trainer = PolicyTrainer(
        supernet,
        data,
        PolicyPaths() if policy is None else policy,
        Recipe() if recipe is None else recipe,
        seed=seed,
        checkpoint=checkpoint,
        device=device,
    )
    training = trainer.run(report=report)
    found = trainer.found()
    return PolicyFound(
        sample=found.sample,
        metrics=found.metrics or {},
        curve=training.curve,
        seconds=training.seconds,
    )


class Controller(nn.Module):
    """The policy network, which draws the choices of a path in the order of the space.

    Args:
        choices: The choices of the space.
        kind: `logits` or `lstm`.
        seed: Seed of its parameters.

    Raises:
        InvalidArgumentError: A choice takes several candidates at once.
    """

    def __init__(self, choices: SearchSpace, kind: str, seed: int) -> None:
        super().__init__()
        for choice in choices.choices:
            if not isinstance(choice, Categorical):
                raise InvalidArgumentError(
                    "policy", f"{choice.label} takes several candidates at once"
                )
        self._choices, self._recurrent = choices, kind == "lstm"
        sizes = [len(choice.candidates) for choice in choices.choices]
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            if self._recurrent:
                self.cell = nn.LSTMCell(_WIDTH, _WIDTH)
                self.begin = nn.Parameter(0.1 * torch.randn(_WIDTH))
                self.heads = nn.ModuleList(nn.Linear(_WIDTH, size) for size in sizes)
                self.embeddings = nn.ModuleList(nn.Embedding(size, _WIDTH) for size in sizes)
            else:
                self.rows = nn.ParameterList(_SPREAD * torch.randn(size) for size in sizes)

    def draw(self, generator: torch.Generator) -> tuple[dict[str, Any], Tensor, Tensor]:
        """Draw a path; return it with its log-probability and the entropy of its choices.

        Raises:
            InvalidSampleError: No draw met the constraints of the space.
        """
        for _ in range(_TRIES):
            sample, chance, entropy = self._one(generator)
            try:
                return self._choices.validate(sample), chance, entropy
            except InvalidSampleError as error:
                broken = error
        raise broken

    def _one(self, generator: torch.Generator) -> tuple[dict[str, Any], Tensor, Tensor]:
        sample: dict[str, Any] = {}
        chance, entropy = torch.zeros(()), torch.zeros(())
        given = self.begin[None] if self._recurrent else None
        state: tuple[Tensor, Tensor] | None = None
        for place, choice in enumerate(self._choices.choices):
            condition = choice.only_if
            if condition is not None and sample.get(condition.label) not in condition.values:
                continue
            if given is not None:
                state = self.cell(given, state)
                raw = self.heads[place](state[0])[0]
                logits = _TANH * torch.tanh(raw / _TEMPERATURE)
            else:
                logits = self.rows[place]
            shares = logits.log_softmax(0)
            drawn = torch.multinomial(shares.detach().exp(), 1, generator=generator)
            sample[choice.label] = choice.candidates[int(drawn)]
            chance = chance + shares[drawn[0]]
            entropy = entropy - (shares.exp() * shares).sum()
            if given is not None:
                given = self.embeddings[place](drawn)
        return sample, chance, entropy


class PolicyTrainer(SupernetTrainer):
    """Trains weights for an epoch and the policy for some steps, alternately.

    Args:
        supernet: The supernet, trained in place.
        data: Images for training weights, and images for the policy.
        policy: Settings of the policy.
        recipe: The recipe for weights.
        seed: As for `SupernetTrainer`.
        device: As for `SupernetTrainer`.
        options: As for `SupernetTrainer`.

    Raises:
        InvalidArgumentError: As for `search_by_policy` and `SupernetTrainer`.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: Halves,
        policy: PolicyPaths,
        recipe: Recipe,
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
        **options: Any,
    ) -> None:
        if len(data[1]) < recipe.batch_size:
            raise InvalidArgumentError(
                "data", f"{len(data[1])} images are fewer than a batch of {recipe.batch_size}"
            )
        Group.present().refuse("weights and a policy are trained")
        self._policy, self._data = policy, data
        self._controller = Controller(supernet.space.choices, policy.controller, seed)
        self._policy_optimizer = torch.optim.Adam(
            self._controller.parameters(), lr=policy.learning_rate
        )
        # The moving average, whether it has a value, and the mean reward and entropy of the epoch.
        self._rewards = torch.zeros(4, dtype=torch.float64)
        self._valid_images = data[1].on(torch.device(device))
        super().__init__(
            supernet,
            data,
            recipe,
            seed=seed,
            device=device,
            identity={"policy": policy.settings},
            **options,
        )

    def found(self) -> Found:
        """Draw paths, and return the one with the best accuracy with inherited weights."""
        evaluator = Inherited(self.supernet, self._data, batches=self._policy.batches)
        space = self.supernet.space
        drawn: list[Found] = []
        for number in range(self._policy.draws):
            sample, _, _ = self._controller.draw(seeded(self._seed, "last draws", number))
            metrics = evaluator.evaluate(space, sample, fidelity=None, report=silent)
            drawn.append(Found(sample=sample, metrics=metrics))
        best = max(drawn, key=lambda one: (one.metrics or {})["accuracy"])
        self.supernet.activate(best.sample)
        return best

    def _gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            path, _, _ = self._controller.draw(seeded(self._seed, "path", self._step))
        self.supernet.activate(path)
        found = super()._gradients(inputs, labels)
        self._check_gradients()
        return found

    def _one_epoch(self) -> None:
        super()._one_epoch()
        rewards, entropies = [], []
        with kept_statistics(self.supernet):
            for number in range(self._policy.updates):
                reward, entropy = self._step_of_policy(len(self.curve), number)
                rewards.append(reward)
                entropies.append(entropy)
        self._rewards[2] = 100 * sum(rewards) / len(rewards)
        self._rewards[3] = sum(entropies) / len(entropies)

    def _step_of_policy(self, epoch: int, number: int) -> tuple[float, float]:
        policy, images = self._policy, self._valid_images
        path, chance, entropy = self._controller.draw(seeded(self._seed, "policy", epoch, number))
        self.supernet.activate(path)
        order = order_of_epoch(images, self.recipe.batch_size, self._seed, -1 - epoch)
        batches = list(order)
        places = batches[number % len(batches)]
        pixels, labels, _ = next(images.batches([(places, None)], None))
        with torch.no_grad(), self._casting():
            outputs = self.supernet(images.normalised(pixels, self._dtype))
            logits = outputs[0] if isinstance(outputs, tuple) else outputs
            accuracy = float((logits.argmax(1) == labels).double().mean())
        reward = accuracy + policy.entropy_weight * float(entropy.detach())
        if not float(self._rewards[1]):
            self._rewards[:2] = torch.tensor([reward, 1.0])
        self._rewards[0] += (1 - policy.baseline_decay) * (reward - self._rewards[0])
        loss = -chance * (reward - float(self._rewards[0]))
        self._policy_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self._policy_optimizer.step()
        return accuracy, float(entropy.detach())

    def _figures(self, seconds: float) -> Epoch:
        reward, entropy = self._rewards[2:].tolist()
        return {
            **super()._figures(seconds),
            "policy/reward": reward,
            "policy/entropy": entropy,
        }

    def _parts(self) -> dict[str, Mapping[str, Tensor]]:
        return {
            **super()._parts(),
            "controller": self._controller.state_dict(),
            "rewards": {"averages": self._rewards},
            **state_of("policy_optimizer", self._policy_optimizer),
        }

    def _restore(self, saved: Saved) -> None:
        super()._restore(saved)
        self._controller.load_state_dict(part_of(saved.tensors, "controller"))
        self._rewards.copy_(part_of(saved.tensors, "rewards")["averages"])
        restore(self._policy_optimizer, part_of(saved.tensors, "policy_optimizer"))
