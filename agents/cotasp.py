"""CoTASP: sparse prompts choose which neurons of one policy are a task's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from ..wrappers.errors import SettingsError
from .backends import notify
from .bodies import hidden_maps, network_bodies
from .layers import Part
from .prompts.dictionary import encode, make_dictionary, update_dictionary
from .prompts.distillation import distill_to_random
from .prompts.embeddings import SIZE, embed, project
from .prompts.hold import Held
from .prompts.mask import PromptMask
from .retention.retention_method import RetentionMethod, is_policy
from .retention.task import Task

NEARLY_FULL = 0.1
"""Share of free units in a layer from which on the user is warned."""


@final
@dataclass(eq=False, repr=False)
class CoTASP(RetentionMethod):
    """Continual task allocation by sparse prompting: each task gets its own sub-network.

    Yang, Zhou, Jiang, Long and Shi, "Continual task allocation in meta-policy network via sparse
    prompting" (ICML 2023). The embedding of a task's description is encoded sparsely by an
    over-complete dictionary for each hidden layer, whose atoms are the neurons: the neurons with a
    positive coefficient are the task's. Weights and prompts are trained in turn. What belongs to an
    earlier task is frozen (Serrà et al. 2018: a weight between two used units, the bias of one, and
    what the outputs read of one), so that earlier tasks are acted in bit for bit as at their ends,
    with deterministic and with random actions. After a task the dictionaries are fitted to all
    prompts so far.

    Four things differ from the published code. Atoms that nobody uses are left alone, unless
    `resample` is on: drawn anew around the last task's embedding, they take the places of those
    that earlier tasks use, and a task that comes back gets another mask. The weights that make the
    standard deviation are frozen too. The optimizer's memory is, as one Adam serves weights and
    prompts. The biases of the outputs, which no neuron owns, are each task's own. A description
    that was there before gets its last prompt back, unless `reuse` is off.

    When no unit of a layer is free any more, earlier tasks are still kept exactly; a new one can
    choose among the units that there are, and train what lies between a used and a free unit, and
    in the end its output biases alone. `continual/cotasp/*` tells how many units of each layer are
    used, shared and free, and one line warns when a tenth is left.

    The networks must be made of linear maps and activations that are 0 at 0, such as ReLU.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> CoTASP().network(network)
        >>> network[1]
        PromptMask(8, normalized=False)
    """

    name: ClassVar[str] = "cotasp"

    sparsity: float = 1e-3
    """Weight of the prompt's magnitude in the lasso, more than 0; layers of 256 units are full
    after four tasks with it, and want about 0.05 (published code: 1e-3 at width 1024)."""

    weight_updates: int = 990
    """Gradient steps of the weights before the prompts' turn (published code: 990)."""

    prompt_updates: int = 10
    """Gradient steps of the prompts in their turn, or 0 for no turn (published code: 10)."""

    resample: bool = False
    """Whether atoms that no prompt uses are drawn anew after each task (published code: yes)."""

    reuse: bool = True
    """Whether a description that was there before gets its last prompt back (ours)."""

    first_layer: Literal["plain", "norm-tanh"] = "plain"
    """What the first layer is: as the others, or normalised over the units that are on, with a
    hyperbolic tangent (published code: norm-tanh; the paper: no word of it)."""

    distillation_steps: int = 20_000
    """Gradient steps that make an actor with means and deviations random again before each task but
    the first, on the transitions of the task before (published code: 20,000)."""

    distillation_rate: float = 3e-4
    """Their Adam's step size (published code: 3e-4)."""

    distillation_batch: int = 256
    """Observations in each of them (published code: 256)."""

    reset_critics: bool = True
    """Whether all but the policy begins anew at a task (published code: yes)."""

    explore: Literal["uniform", "previous"] = "previous"
    """How SAC fills its replay buffer at a task but the first: by uniformly random actions, or at
    each step by the policy of an earlier task drawn anew (published code: previous)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        for setting in ("sparsity", "distillation_rate"):
            self.require(setting, getattr(self, setting) > 0, "more than 0")
        for setting in ("weight_updates", "distillation_batch"):
            self.require(setting, getattr(self, setting) >= 1, "1 or more")
        for setting in ("prompt_updates", "distillation_steps"):
            self.require(setting, getattr(self, setting) >= 0, "0 or more")
        self.require("explore", self.explore in ("uniform", "previous"), "uniform or previous")
        known = ("plain", "norm-tanh")
        self.require("first_layer", self.first_layer in known, "plain or norm-tanh")

    def network(self, policy: nn.Module) -> None:
        """Put a mask before each activation of the actor.

        Raises:
            SettingsError: the network has something else than activations that are 0 at 0.
        """
        body = network_bodies(policy)[0]
        maps = hidden_maps(body)
        if not maps:
            raise SettingsError("cotasp needs a network with hidden layers")
        for linear in maps:
            place = list(body).index(linear)
            first = self.first_layer == "norm-tanh" and linear is maps[-1]
            if first:
                body[place + 1] = nn.Tanh()
            _require_silent(body[place + 1])
            follows = body[place + 2] if place + 2 < len(body) else None
            if follows is not None and not isinstance(follows, nn.Linear):
                raise SettingsError(
                    f"cotasp can't have a {type(body[place + 1]).__name__} in a layer"
                )
            mask = PromptMask(linear.out_features, normalized=first)
            body.insert(place + 1, mask.to(linear.weight))

    def renews(self) -> frozenset[str]:
        """Return what begins anew at a task: the critics."""
        return frozenset({"critics"} if self.reset_critics else ())

    def exploration(self) -> Literal["uniform", "previous"]:
        """Return how the replay buffer is filled at a task."""
        return self.explore

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Make the dictionaries.

        Raises:
            SettingsError: no part is a policy.
        """
        self.generator = torch.Generator().manual_seed(seed)
        policies = [part for part in parts if is_policy(part)]
        if not policies:
            raise SettingsError("cotasp needs an actor")
        self._part = part = policies[0]
        self._masks = [_mask_of(layer.between) for layer in part.hidden]
        for layer in part.hidden:
            # Another method may have replaced it since.
            _require_silent(layer.activation)
        prompts = {id(mask.prompt) for mask in self._masks}
        self._prompts = [i for i, p in enumerate(part.parameters) if id(p) in prompts]
        self._weights = [i for i in range(len(part.parameters)) if i not in self._prompts]
        self._owners = find_owners(part)
        self._held: Held | None = None
        self._frozen: list[Frozen] | None = None
        self.register_buffer("task", torch.tensor(-1))
        self.register_buffer("known", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("updates", torch.tensor(0))
        self.register_buffer("embedding", torch.zeros(SIZE, dtype=torch.float64))
        self.register_buffer("embeddings", torch.zeros(0, SIZE, dtype=torch.float64))
        for number, mask in enumerate(self._masks):
            width = len(mask.prompt)
            atoms = make_dictionary(width, SIZE, np.random.default_rng([seed, number]))
            self.register_buffer(f"dictionary_{number}", torch.as_tensor(atoms))
            self.register_buffer(f"codes_{number}", torch.zeros(0, width, dtype=torch.float64))
            self.register_buffer(f"used_{number}", torch.zeros(width, dtype=torch.bool))

    def start_task(self, task: Task, previous: Task | None) -> None:
        """Choose the task's neurons, and make what is free random again."""
        part = self._part
        self.get_buffer("task").fill_(task.number)
        self.get_buffer("updates").zero_()
        self.get_buffer("embedding").copy_(torch.as_tensor(embed_task(task)))
        for place, kept in enumerate(self._kept(task.number)):
            if kept is not None:
                part.parameters[place].copy_(kept)
        for number, mask in enumerate(self._masks):
            mask.prompt.copy_(self._find_prompt(number))
        self._held = self._frozen = None
        if previous is not None and len(part.output) == 2 and self.distillation_steps:
            self._distill(previous)
        self._warn()

    def end_task(self, task: Task) -> None:
        """Remember what is the task's, freeze it, and fit the dictionaries to its prompts."""
        for place, owner in enumerate(self._owners):
            if owner is None:
                value = self._part.parameters[place].detach().clone()
                self.register_buffer(f"task_{task.number}_{place}", value)
        known = {*self.get_buffer("known").tolist(), task.number}
        self.register_buffer("known", torch.tensor(sorted(known)))
        embeddings = torch.cat([self.get_buffer("embeddings"), self.get_buffer("embedding")[None]])
        self.register_buffer("embeddings", embeddings)
        for number, mask in enumerate(self._masks):
            prompt = mask.prompt.detach()
            codes = torch.cat([self.get_buffer(f"codes_{number}"), prompt.double()[None]])
            self.register_buffer(f"codes_{number}", codes)
            dictionary = self.get_buffer(f"dictionary_{number}")
            atoms, prompts, tasks = (each.cpu().numpy() for each in (dictionary, codes, embeddings))
            updated = update_dictionary(atoms, prompts, tasks, self._resampler())
            dictionary.copy_(torch.as_tensor(updated))
            self.get_buffer(f"used_{number}").logical_or_(prompt > 0)
        self._held = self._frozen = None

    def parameters_for(
        self, part: Part, task: int, parameters: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Return the parameters with the prompts and output biases of a task that has ended."""
        if part is not self._part or task == int(self.get_buffer("task")):
            return parameters
        pairs = zip(parameters, self._kept(task), strict=True)
        return [own if kept is None else kept for own, kept in pairs]

    def change_gradients(self, part: Part, gradients: Sequence[Tensor]) -> None:
        """Leave frozen weights, and those whose turn it is not, without a gradient."""
        if part is not self._part:
            return
        resting = self._resting()
        # At each step anew: between steps other methods may set what rests.
        self._held = Held([part.parameters[place] for place in resting], part.optimizer)
        for frozen in self._find_frozen():
            gradients[frozen.place].masked_fill_(frozen.where, 0)
        for place in resting:
            gradients[place].zero_()

    def after_step(self, part: Part) -> None:
        """Put back what must not move, whatever the optimizer does."""
        if part is not self._part or self._held is None:
            return
        self._held.put_back()
        self._held = None
        for frozen in self._find_frozen():
            parameter = part.parameters[frozen.place]
            parameter.copy_(torch.where(frozen.where, frozen.kept, parameter))
        self.get_buffer("updates").add_(1)

    def after_iteration(self) -> dict[str, float]:
        """Tell how many units of each layer are used, shared between tasks, and free."""
        told: dict[str, float] = {}
        for number, mask in enumerate(self._masks):
            tag = f"continual/cotasp/layer_{number}"
            users = self.count_users(number)
            used = self.get_buffer(f"used_{number}")
            told[f"{tag}/active"] = float((mask.prompt > 0).sum())
            told[f"{tag}/used"] = float(used.sum())
            told[f"{tag}/shared"] = float((users > 1).sum())
            told[f"{tag}/free"] = float((~used).sum())
        return told

    def count_users(self, layer: int) -> Tensor:
        """Return how many of the tasks that have ended use each unit.

        Args:
            layer: number of the hidden layer, from the input.
        """
        place = self._prompts[layer]
        tasks = self.get_buffer("known").tolist()
        masks = [self.get_buffer(f"task_{task}_{place}") > 0 for task in tasks]
        none = torch.zeros(len(self._masks[layer].prompt), dtype=torch.int64)
        return torch.stack([none, *(mask.cpu().long() for mask in masks)]).sum(dim=0)

    def _kept(self, task: int) -> list[Tensor | None]:
        """Return what belongs to a task alone, by place; None where nothing does."""
        return [self._buffers.get(f"task_{task}_{i}") for i in range(len(self._owners))]

    def _find_prompt(self, layer: int) -> Tensor:
        """Return the prompt of the embedding of the present task."""
        embedding, codes = self.get_buffer("embedding"), self.get_buffer(f"codes_{layer}")
        before = (self.get_buffer("embeddings") == embedding).all(dim=1).nonzero().flatten()
        if self.reuse and len(before):
            return codes[before[-1]]
        dictionary = self.get_buffer(f"dictionary_{layer}")
        code = encode(embedding.cpu().numpy(), dictionary.cpu().numpy(), self.sparsity)
        if (code > 0).any():
            return torch.as_tensor(code)
        notify(
            f"cotasp's sparsity of {self.sparsity:g} leaves a task no unit of layer {layer}: it "
            "gets the quarter that has most in common with it"
        )
        common = (dictionary @ embedding).abs().clamp(min=1e-3)
        least = common.sort(descending=True).values[(len(common) - 1) // 4]
        return torch.where(common >= least, common, 0)

    def _resting(self) -> list[int]:
        """Return the places of the parameters whose turn it is not."""
        cycle = self.weight_updates + self.prompt_updates
        of_weights = int(self.get_buffer("updates")) % cycle < self.weight_updates
        return self._prompts if of_weights else self._weights

    def _find_frozen(self) -> list[Frozen]:
        """Return what earlier tasks use, with the values that it must keep."""
        if self._frozen is None:
            used = [self.get_buffer(f"used_{number}") for number in range(len(self._masks))]
            self._frozen = []
            for place, owner in enumerate(self._owners):
                if owner is None:
                    continue
                parameter = self._part.parameters[place].detach()
                where = owner.frozen(used).to(parameter.device).expand_as(parameter)
                if where.any():
                    self._frozen.append(Frozen(place, where, parameter.clone()))
        return self._frozen

    def _distill(self, previous: Task) -> None:
        part = self._part
        free: list[Tensor | None] = [torch.ones_like(p) for p in part.parameters]
        for frozen in self._find_frozen():
            free[frozen.place] = (~frozen.where).to(frozen.kept)
        for place in self._prompts:
            free[place] = None

        def draw() -> Tensor:
            return previous.sample(self.distillation_batch, self.generator).observations

        steps, rate = self.distillation_steps, self.distillation_rate
        distill_to_random(part, free, draw, steps, rate)

    def _resampler(self) -> np.random.Generator | None:
        if not self.resample:
            return None
        return np.random.default_rng(int(torch.randint(2**62, (), generator=self.generator)))

    def _warn(self) -> None:
        for number in range(len(self._masks)):
            used = self.get_buffer(f"used_{number}")
            free = int((~used).sum())
            if free == 0:
                notify(
                    f"cotasp has no free unit left in layer {number}: earlier tasks are kept, and "
                    "new ones can only choose among the units that there are"
                )
            elif free <= NEARLY_FULL * len(used):
                notify(f"cotasp has {free} of {len(used)} units of layer {number} left")


class Frozen(NamedTuple):
    """What may not move of a parameter.

    Attributes:
        place: the parameter's among the part's.
        where: True for the elements that may not move.
        kept: the parameter, with the values that they must have.
    """

    place: int
    where: Tensor
    kept: Tensor


class Owner(NamedTuple):
    """Which layers' units a weight lies between.

    Attributes:
        makes: the layer whose units its rows make, or None for an output.
        reads: the layer whose units its columns read, or None for inputs and biases.
        is_bias: whether it has no columns.
    """

    makes: int | None
    reads: int | None
    is_bias: bool = False

    def frozen(self, used: Sequence[Tensor]) -> Tensor:
        """Return which elements an earlier task uses.

        Args:
            used: for each layer which units earlier tasks use.

        Returns:
            Of the weight's shape, or one that broadcasts to it.

        Example:
            >>> used = [torch.tensor([True, False]), torch.tensor([True, True, False])]
            >>> Owner(makes=1, reads=0).frozen(used).tolist()
            [[True, False], [True, False], [False, False]]
        """
        if self.makes is None:
            assert self.reads is not None
            return used[self.reads][None, :]
        rows = used[self.makes]
        if self.is_bias:
            return rows
        return rows[:, None] & (True if self.reads is None else used[self.reads][None, :])


def find_owners(part: Part) -> list[Owner | None]:
    """Return for each parameter whose it is; None where each task has its own.

    Args:
        part: a policy.
    """
    owners: dict[int, Owner] = {}
    for number, layer in enumerate(part.hidden):
        owners[id(layer.incoming.weight)] = Owner(number, number - 1 if number else None)
        owners[id(layer.incoming.bias)] = Owner(number, None, is_bias=True)
    for output in part.output:
        owners[id(output.weight)] = Owner(None, len(part.hidden) - 1)
    return [owners.get(id(parameter)) for parameter in part.parameters]


def embed_task(task: Task) -> np.ndarray:
    """Return a task's embedding: of its description, else of its context, else of its number.

    Args:
        task: the task.

    Returns:
        Of shape (384,) and of length 1.

    Example:
        >>> one, other = embed_task(Task(0)), embed_task(Task(1))
        >>> bool(abs(one @ other) < 0.2)
        True
    """
    if task.description:
        return embed(task.description)
    if task.context:
        return project(task.context)
    # Nothing is known: no task is like another.
    return project([], seed=task.number)


def _mask_of(modules: Sequence[nn.Module]) -> PromptMask:
    found = [module for module in modules if isinstance(module, PromptMask)]
    if len(found) != 1 or len(modules) != 1:
        raise SettingsError(
            "cotasp can't have another method between its masks and the units: leave out one of "
            "the two"
        )
    return found[0]


def _require_silent(activation: nn.Module) -> None:
    """Raise unless an activation puts nothing out for a unit that is off."""
    kind = type(activation).__name__
    if next(activation.parameters(), None) is None:
        silent = activation(torch.zeros(1, 8))
        if silent.shape == (1, 8) and not silent.any():
            return
    raise SettingsError(f"cotasp needs activations that are 0 at 0, such as ReLU, not {kind}")
