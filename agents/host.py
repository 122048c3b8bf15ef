"""What every agent does with its methods, whichever algorithm it runs."""

from __future__ import annotations

import copy
import io
import pathlib
import secrets
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.save_util import load_from_zip_file, recursive_getattr
from stable_baselines3.common.type_aliases import GymEnv, TensorDict
from stable_baselines3.common.utils import update_learning_rate
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn
from torch.optim import Optimizer

from ..wrappers import info as info_names
from ..wrappers.errors import SettingsError
from .hooks import hook_methods
from .layers import Part
from .learning_worlds import hand_over_learned, learning_worlds, read_learned
from .method import Method, overrides, refuse_replay, refuse_rollouts
from .normalization import hand_over, read_statistics
from .optimizer import find_state, make_optimizer, save_optimizer
from .plasticity.renewal import mix
from .policies import change_network, changed_policy, original_policy
from .registry import describe_methods, rebuild_method
from .retention.retention_method import is_policy, parameters_of
from .retention.sequence import START, TaskSequence, renew_optimizer
from .retention.task import Examples
from .watched_vec_env import WatchedVecEnv

_NOT_SAVED = ("methods", "parts", "tasks", "_penalties", "_watched", "_reset_infos")

SelfMethodHost = TypeVar("SelfMethodHost", bound="MethodHost")


class MethodHost(BaseAlgorithm):
    """An algorithm of stable-baselines3 with methods: abstract mixin, to stand before it.

    It calls the seams of its methods, and saves and loads their state with the agent. The zip
    still loads in stable-baselines3 itself, which goes on without the methods but with the network
    that they made; where they changed it, everlearn must be installed there.
    """

    methods: tuple[Method, ...]
    """The agent's own copies of its methods, in the order in which they act."""

    parts: tuple[Part, ...]
    """The agent's networks as methods see them."""

    method_specs: list[dict[str, Any]]
    """Plain data from which the methods are built; saved with the agent."""

    method_state: dict[str, Any]
    """The methods' state while the agent is saved or loaded, and empty otherwise."""

    earlier_steps: int
    """Environment steps in calls of `learn` before the last that counted from 0 again."""

    task_state: dict[str, Any]
    """Where the agent is in its sequence of tasks; saved with the agent."""

    tasks: TaskSequence
    """Tells retention methods of tasks."""

    normalization: dict[str, Any]
    """What worlds that scale observations had learned when the agent was saved or left them."""

    learned_around: list[dict[str, Any]]
    """What `InferContext` and its like had learned when the agent was saved or left them."""

    _penalties: list[Tensor]
    _watched: WatchedVecEnv | None
    _reset_infos: list[dict[str, Any]]

    @abstractmethod
    def _optimizer_owners(self) -> Sequence[nn.Module]:
        """Return the modules that have an attribute `optimizer` for their parameters.

        What several share belongs to the optimizer of the first.
        """

    @abstractmethod
    def _build_parts(self) -> tuple[Part, ...]:
        """Return the agent's networks; raise `SettingsError` where methods can't see into them."""

    def _hold_methods(self, methods: Iterable[Method]) -> None:
        self.method_specs = describe_methods(methods)
        self.method_state = {}
        self.earlier_steps = 0
        self.normalization = {}
        self.task_state = copy.deepcopy(START)
        self.learned_around = []
        self.methods = ()
        self.parts = ()
        self._penalties = []
        self._watched = None

    def _setup_model(self) -> None:
        self.policy_class = original_policy(self.policy_class)
        super()._setup_model()  # type: ignore[safe-super]
        self._penalties = []
        self._watched = None
        self.methods = tuple(rebuild_method(spec) for spec in self.method_specs)
        if not isinstance(self, OffPolicyAlgorithm):
            refuse_replay(self.methods, type(self).__name__)
        else:
            refuse_rollouts(self.methods, type(self).__name__)
        change_network(self.policy, self.methods)
        if self.methods:
            self.policy.to(self.device)
            # Made anew, so that parameters which a method added are in it too.
            owned: set[int] = set()
            for owner in self._optimizer_owners():
                parameters = [p for p in owner.parameters() if id(p) not in owned]
                owned.update(id(parameter) for parameter in parameters)
                optimizer = make_optimizer(
                    self.methods, parameters, self.lr_schedule(1), self.policy
                )
                owner.optimizer = optimizer  # type: ignore[assignment]
        try:
            self.parts = self._build_parts()
        except SettingsError:
            if self.methods:
                raise
            self.parts = ()
        self._lend_fresh_weights()
        for part in self.parts:
            part.parameters_of = partial(parameters_of, self.methods, part)
        self._attach_methods()
        self.tasks = TaskSequence(self)
        self._connect_methods()

    def _attach_methods(self) -> None:
        # Entropy from the system where there is no seed: torch's generators stay as they are.
        seed = secrets.randbits(63) if self.seed is None else self.seed
        for index, method in enumerate(self.methods):
            sequence = np.random.SeedSequence([seed, index])
            method.spaces = (self.observation_space, self.action_space)
            method.attach(self.parts, int(sequence.generate_state(1, np.uint64)[0] >> 1))
            method.to(self.device)
        if self.method_state:
            nn.ModuleList(self.methods).load_state_dict(self.method_state)
            self.method_state = {}

    def _lend_fresh_weights(self) -> None:
        """Let each part tell what its parameters would be if the agent began anew."""
        names = {id(parameter): name for name, parameter in self.policy.named_parameters()}
        # The parts of one agent ask one after the other.
        begin = lru_cache(maxsize=2)(self._begin_policy)

        def lend(part: Part) -> Callable[[int], Sequence[Tensor]]:
            def draw(seed: int) -> list[Tensor]:
                fresh = dict(begin(seed).named_parameters())
                return [fresh[names[id(p)]].detach().to(p) for p in part.parameters]

            return draw

        for part in self.parts:
            part.fresh = lend(part)

    def _begin_policy(self, seed: int) -> nn.Module:
        """Build the policy once more, by its own law, without a trace in torch's generators."""
        settings = {"use_sde": self.use_sde, **self.policy_kwargs}
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            policy = self.policy_class(
                self.observation_space, self.action_space, self.lr_schedule, **settings
            )
            change_network(policy, [rebuild_method(spec) for spec in self.method_specs])
        return policy

    def _connect_methods(self) -> None:
        """See to it that the methods are called; by default through hooks."""
        if self.methods:
            hook_methods(self.methods, self.parts, self._penalties)

    def _finish_iteration(self) -> None:
        """Call the methods' `after_iteration`, and log what they tell."""
        if self._penalties:
            self.logger.record("train/penalty", torch.stack(self._penalties).mean().item())
            self._penalties.clear()
        for method in self.methods:
            method.env_steps = self.num_timesteps
            for tag, value in method.after_iteration().items():
                self.logger.record(tag, value)
        for tag, value in self.tasks.log().items():
            self.logger.record(tag, value)
        # Agents that learn from rollouts have learned from the task's last only now.
        self.tasks.go_on()
        for around in learning_worlds(self.env):
            for tag, value in around.read_log().items():
                self.logger.record(tag, value)

    def _update_learning_rate(self, optimizers: list[Optimizer] | Optimizer) -> None:
        """Set the learning rate that the schedule and the methods ask for, and log it."""
        super()._update_learning_rate(optimizers)
        given = rate = float(self.lr_schedule(self._current_progress_remaining))
        for method in self.methods:
            rate = method.learning_rate(rate, self.earlier_steps + self.num_timesteps)
        if rate != given:
            self.logger.record("train/learning_rate", rate)
            for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
                update_learning_rate(optimizer, rate)

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        known = self.num_timesteps
        prepared = super()._setup_learn(*args, **kwargs)
        # Stable-baselines3 may have begun to count anew.
        self.earlier_steps += known - self.num_timesteps
        assert self.env is not None
        self._reset_infos = list(self.env.unwrapped.reset_infos)
        self.tasks.begin(self._reset_infos[0])
        return prepared

    def _update_info_buffer(
        self, infos: list[dict[str, Any]], dones: np.ndarray | None = None
    ) -> None:
        super()._update_info_buffer(infos, dones)
        if not self.methods:
            return
        assert self.env is not None
        # A change that lands at a reset is told with the first observation of the new episode,
        # which a VecEnv keeps apart from the step's infos. Some leave the info of an earlier reset
        # there; it was told before.
        known, self._reset_infos = self._reset_infos, list(self.env.unwrapped.reset_infos)
        ended = np.flatnonzero([] if dones is None else dones)
        begun = [self._reset_infos[i] for i in ended if self._reset_infos[i] is not known[i]]
        noticed = bool(infos[0].get(info_names.DETECTED))
        for info in (*infos, *begun):
            if info.get(info_names.BOUNDARY):
                self._tell({**info, info_names.DETECTED: True} if noticed else info)
                # The last step's info names the world that it was made in.
                newest = self._reset_infos[0] or {}
                same = newest.get(info_names.SEGMENT) == info.get(info_names.SEGMENT)
                self.tasks.hear({**info, **newest} if same else info)
                return
        if noticed:
            # What else the world says of itself is for those who are told of changes.
            self._tell({info_names.DETECTED: True})
            self.tasks.hear({info_names.DETECTED: True})

    def _tell(self, info: dict[str, Any]) -> None:
        """Tell the methods of a change."""
        self._before_change()
        for method in self.methods:
            method.on_change(info)

    def collect_rollouts(self, env: VecEnv, *args: Any, **kwargs: Any) -> Any:
        """Step the worlds, and let the methods see it that want to.

        Args:
            env: the copies of the world.
            *args: as for stable-baselines3, and so are the others.
            **kwargs: as above.
        """
        collect: Any = super().collect_rollouts  # type: ignore[misc]
        return collect(self._watch(env), *args, **kwargs)

    def _watch(self, env: VecEnv) -> VecEnv:
        """Return the worlds with the methods that want to see each step between them and us."""
        watching = [method for method in self.methods if overrides(method, "notices", "reward")]
        if not watching or isinstance(env, WatchedVecEnv):
            return env
        if self._watched is None or self._watched.venv is not env:
            self._watched = WatchedVecEnv(env, watching, lambda: self._last_obs)
        return self._watched

    def _before_change(self) -> None:
        """Finish what needs the networks as they are: methods are about to be told of a change."""

    @abstractmethod
    def _draw_examples(self, count: int, generator: torch.Generator | None) -> Examples:
        """Draw what the policy's network read, and what was done, of the agent's experience.

        Args:
            count: how many, with replacement.
            generator: decides which.
        """

    def _task_training(self) -> Callable[[int], None] | None:
        """Return what makes gradient steps on the experience, or None where there is none."""
        return None

    def _begin_anew(self, keeps: frozenset[str], renews: frozenset[str]) -> None:
        """Begin a task: by default optimizers forget all.

        Args:
            keeps: what retention methods want to go on.
            renews: what they want to begin anew besides.
        """
        if "critics" in renews:
            seed = int(self.action_space.np_random.integers(2**62))
            for part in self.parts:
                if not is_policy(part) and part.fresh is not None:
                    mix(part, part.fresh(seed), keep=0.0, target="copy")
        if "optimizer" not in keeps:
            for optimizer in {id(part.optimizer): part.optimizer for part in self.parts}.values():
                renew_optimizer(optimizer)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), *_NOT_SAVED]

    def save(
        self,
        path: str | pathlib.Path | io.BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Save the agent with its methods, as a zip that stable-baselines3 itself can load.

        What its worlds have learned of scales, if they normalise, or of contexts, is saved too.

        Args:
            path: the file to be written.
            exclude: attributes to be left out besides the usual ones.
            include: attributes to be saved that usually are not.
        """
        state = nn.ModuleList(self.methods).state_dict()
        self.method_state = {key: value.cpu() for key, value in state.items()}
        policy_class = self.policy_class
        self.policy_class = changed_policy(policy_class, self.methods)
        self._keep_learned()
        try:
            super().save(path, exclude, include)
        finally:
            self.method_state, self.policy_class = {}, policy_class

    def get_parameters(self) -> dict[str, dict[str, Any]]:
        """Return the parameters and the optimizers' state, as stable-baselines3 can load them."""
        parameters = super().get_parameters()
        for name, optimizer in self._optimizer_names().items():
            parameters[name] = save_optimizer(optimizer, self.policy)
        return parameters

    def set_parameters(
        self,
        load_path_or_dict: str | TensorDict,
        exact_match: bool = True,
        device: torch.device | str = "auto",
    ) -> None:
        """Load parameters and optimizers' state; a foreign optimizer's state is begun anew.

        Args:
            load_path_or_dict: a saved agent, or what `get_parameters` returned.
            exact_match: whether nothing may be missing.
            device: where to load to.
        """
        given: Any = load_path_or_dict
        if not isinstance(given, dict):
            _, given, _ = load_from_zip_file(given, device=device, load_data=False)
        found = {
            name: find_state(given[name], optimizer, self.policy)
            for name, optimizer in self._optimizer_names().items()
            if name in given
        }
        super().set_parameters(given | found, exact_match, device)

    def _optimizer_names(self) -> dict[str, Optimizer]:
        """Return the networks' optimizers by the names under which they are saved."""
        owned = {id(owner.optimizer) for owner in self._optimizer_owners()}
        named = {name: recursive_getattr(self, name) for name in self._get_torch_save_params()[0]}
        return {name: found for name, found in named.items() if id(found) in owned}

    @classmethod
    def load(
        cls: type[SelfMethodHost],
        path: str | pathlib.Path | io.BufferedIOBase,
        env: GymEnv | None = None,
        device: torch.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        methods: Iterable[Method] | None = None,
        **kwargs: Any,
    ) -> SelfMethodHost:
        """Load an agent with its methods, or an agent that stable-baselines3 itself saved.

        Args:
            path: the file.
            env: the world to go on in; the agent can predict without. Worlds that normalise or
                infer contexts go on from what those of the saved agent had learned.
            device: where to put the agent.
            custom_objects: objects to use in place of saved ones, by name.
            print_system_info: whether to print the versions it was saved with.
            force_reset: whether learning goes on with a reset of the world; False together with
                an `env` in the state it had goes on as if nothing had happened.
            methods: methods to begin anew with, in place of the saved ones and their state.
            **kwargs: attributes to change.

        Returns:
            The agent.

        Raises:
            SettingsError: a saved method's class can't be found, or the methods are no list of
                different ones.
        """
        if methods is not None:
            kwargs |= {"method_specs": describe_methods(methods), "method_state": {}}
            kwargs["task_state"] = copy.deepcopy(START)
        agent = super().load(
            path, env, device, custom_objects, print_system_info, force_reset, **kwargs
        )
        agent._hand_over_learned()
        return agent

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Go on in another world, which goes on from what was learned of scales and contexts.

        Args:
            env: the copies of the world.
            force_reset: whether learning goes on with a reset of the world.
        """
        self._keep_learned()
        super().set_env(env, force_reset)
        self._hand_over_learned()

    def _keep_learned(self) -> None:
        self.normalization = read_statistics(self.env) or self.normalization
        self.learned_around = read_learned(self.env) or self.learned_around

    def _hand_over_learned(self) -> None:
        hand_over(self.normalization, self.env)
        # Agents saved before there was any have none.
        hand_over_learned(getattr(self, "learned_around", ()), self.env)
