"""Offline experience replay: one collected set after another, without forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, final

import numpy as np
import torch
from stable_baselines3.common.policies import BasePolicy
from torch import Tensor

from ...wrappers.errors import SettingsError, unknown
from ..replay.schedules import check_schedule
from ..replay.transitions import Transitions, require_alike
from ..sac.losses import Batch
from . import selection
from .agent import Columns, OfflineAgent, Rows, follow, step
from .cloning import cautious_loss, cloning_loss, smoothed_actions
from .losses import squared_loss
from .oer_policy import OERPolicy
from .policies import values_of

Selection = Literal["model", "random", "reward", "coverage"]
SELECTIONS = ("model", "random", "reward", "coverage")

_NOISE, _CLIP, _DELAY = 0.2, 0.5, 2


@final
class OER(OfflineAgent):
    """Learns from sets in a sequence, and keeps a few transitions of each.

    Gai et al., "OER: offline experience replay for continual offline reinforcement learning"
    (2023). Of each task an actor and critics of its own learn by TD3+BC (Fujimoto and Gu, 2021),
    from its set alone; they begin fresh. A second actor clones: the first one on the present set,
    and stored actions on the memories of the earlier tasks (dual behaviour cloning). When a task is
    over, a memory is chosen out of its set: by default the rows that the policy is expected to
    visit by a model that was learned beside (model-based experience selection). With `dual=False`
    it is plain experience replay: one actor, never renewed, whose loss has a cloning term.

    No code was published. Ours: TD3+BC's settings, that what belongs to one task begins fresh, the
    equal weights of both clonings, and the model, which learns a step's difference with a gradient
    step for each of the agent's. Tasks must be told apart by what is observed.

    Args:
        env: worlds whose actions are bounded vectors.
        data: a set for each task, in the order in which they are learned.
        steps_per_task: gradient steps of each task, at least 1.
        memory_size: rows kept of each task, at least 1 (paper: 1,000).
        selection: how they are chosen: "model", "random", by "reward", or for "coverage".
        dual: whether a second actor clones.
        weight: TD3+BC's alpha, more than 0 (Fujimoto and Gu: 2.5).
        schedule: parts of each earlier task in what is replayed, a row for each task after the
            first, as `ScheduleSearch` finds them; None for equal parts (paper).
        policy: the class of its networks.
        policy_kwargs: settings of the networks.
        **settings: as for `OfflineAgent`.

    Raises:
        SettingsError: a number out of its range, or data that do not fit the worlds.

    Example:
        >>> ones = np.ones((50, 3), np.float32)
        >>> flags = np.zeros(50, np.bool_)
        >>> data = Transitions(ones, ones[:, :1], ones[:, 0], ones, flags, flags)
        >>> settings = {"policy_kwargs": {"net_arch": [8]}, "device": "cpu"}
        >>> agent = OER("Pendulum-v1", [data, data], steps_per_task=5, memory_size=7, **settings)
        >>> [len(memory) for memory in agent.learn(10).memories]
        [7, 7]
    """

    policy: OERPolicy

    def __init__(
        self,
        env: Any,
        data: Any = None,
        steps_per_task: int = 100_000,
        memory_size: int = 1000,
        selection: Selection = "model",
        dual: bool = True,
        weight: float = 2.5,
        schedule: Sequence[Sequence[float]] | None = None,
        policy: type[BasePolicy] = OERPolicy,
        policy_kwargs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        for name, value in {"steps_per_task": steps_per_task, "memory_size": memory_size}.items():
            if value < 1:
                raise SettingsError(f"{name} must be 1 or more, not {value}")
        if selection not in SELECTIONS:
            raise unknown("way to select", selection, SELECTIONS)
        if not weight > 0:
            raise SettingsError(f"weight must be more than 0, not {weight}")
        self.steps_per_task, self.memory_size = steps_per_task, memory_size
        self.selection, self.dual, self.weight = selection, dual, weight
        self.schedule = None if schedule is None else check_schedule(schedule)
        self.memories: list[np.ndarray] = []
        """The rows that were kept of each task that is over."""
        self._tasks: list[Columns] = []
        super().__init__(
            policy, env, data, policy_kwargs={**(policy_kwargs or {}), "dual": dual}, **settings
        )

    @property
    def task(self) -> int:
        """The number of the task that is being learned."""
        return min(len(self.memories), max(len(self._tasks) - 1, 0))

    def _hold(self, data: Any) -> None:
        listed = [data] if isinstance(data, Transitions) else list(data)
        if not listed:
            raise SettingsError("the data need at least one set")
        require_alike(listed)
        if self.schedule is not None and len(self.schedule) != len(listed) - 1:
            raise SettingsError(
                f"the replay schedule is of {len(self.schedule) + 1} tasks, and the data are of "
                f"{len(listed)}"
            )
        self.data, self._tasks = listed, []  # type: ignore[assignment]
        for one in listed:
            super()._hold(one)
            self._tasks.append(self._columns)

    def _update(self, rows: Rows) -> dict[str, Tensor]:
        logged = self._learn_task(rows.batch)
        if self.dual:
            logged["cloning_loss"] = self._clone(rows.batch)
        logged["model_loss"] = self._learn_model(rows.batch)
        done = self.num_timesteps + 1
        if done % self.steps_per_task == 0 and len(self.memories) < len(self._tasks):
            self._end_task()
        return logged

    def _draw(self) -> Rows:
        self._columns = self._tasks[self.task]
        return super()._draw()

    def _learn_task(self, batch: Batch) -> dict[str, Tensor]:
        """Make a step of TD3+BC."""
        policy = self.policy
        with torch.no_grad():
            noise = _NOISE * torch.randn_like(batch.actions)
            following = policy.actor_target(batch.next_observations)
            following = smoothed_actions(following, noise, _CLIP)
            worth = values_of(policy.critic_target, batch.next_observations, following)
            targets = batch.rewards + (1 - batch.dones) * batch.discounts * worth.amin(dim=0)
        known = values_of(policy.critic, batch.observations, batch.actions)
        critic_loss = squared_loss(known, targets)
        step(policy.critic.optimizer, critic_loss)
        logged = {"critic_loss": critic_loss}
        actions = policy.actor(batch.observations)
        values = policy.critic.q1_forward(batch.observations, actions).squeeze(1)
        actor_loss = cautious_loss(values, actions, batch.actions, self.weight)
        remembered = None if self.dual else self._remember()
        if remembered is not None:
            actor_loss = actor_loss + cloning_loss(policy.actor(remembered[0]), remembered[1])
        if self._n_updates % _DELAY == 0:
            step(policy.actor.optimizer, actor_loss)
            for target, network in (
                (policy.critic_target, policy.critic),
                (policy.actor_target, policy.actor),
            ):
                follow(list(target.parameters()), list(network.parameters()), self.tau)
        return {**logged, "actor_loss": actor_loss}

    def _clone(self, batch: Batch) -> Tensor:
        """Let the actor for all tasks clone that of the present one, and what was kept."""
        policy = self.policy
        loss = cloning_loss(policy.continual(batch.observations), policy.actor(batch.observations))
        remembered = self._remember()
        if remembered is not None:
            loss = loss + cloning_loss(policy.continual(remembered[0]), remembered[1])
        step(policy.continual.optimizer, loss)
        return loss

    def _learn_model(self, batch: Batch) -> Tensor:
        expected = self.policy.expect(batch.observations, batch.actions)
        loss = (expected - batch.next_observations).square().mean()
        step(self.policy.model_optimizer, loss)
        return loss

    def _remember(self) -> tuple[Tensor, Tensor] | None:
        """Draw a batch from the memories of earlier tasks, equally likely or by the schedule."""
        n_earlier = min(len(self.memories), self.task)
        if not n_earlier:
            return None
        if self.schedule is None:
            tasks = np.random.randint(0, n_earlier, size=self.batch_size)
        else:
            parts = self.schedule[n_earlier - 1]
            tasks = np.random.choice(n_earlier, size=self.batch_size, p=parts)
        drawn = []
        for task, count in zip(*np.unique(tasks, return_counts=True), strict=True):
            rows = np.random.choice(self.memories[task], size=count)
            batch = self._take(self._tasks[task], rows).batch
            drawn.append((batch.observations, batch.actions))
        observations, actions = zip(*drawn, strict=True)
        return torch.cat(observations), torch.cat(actions)

    def _end_task(self) -> None:
        """Choose the memory of the task that is over, and begin the next one."""
        self.memories.append(self.select(self.data[self.task]))  # type: ignore[index]
        if self.dual and len(self.memories) < len(self._tasks):
            self._renew()

    def select(self, transitions: Transitions) -> np.ndarray:
        """Return the rows of a task that are to be kept.

        Args:
            transitions: the task's.
        """
        seed = 0 if self.seed is None else self.seed
        generator = np.random.default_rng([seed, len(self.memories)])
        quota = self.memory_size
        if self.selection == "model":
            return selection.select_by_model(transitions, self._expect, quota, generator)
        if self.selection == "random":
            return selection.select_at_random(transitions, quota, generator)
        if self.selection == "reward":
            return selection.select_by_reward(transitions, quota)
        return selection.select_by_coverage(transitions, quota, generator)

    @torch.no_grad()
    def _expect(self, state: np.ndarray) -> np.ndarray:
        observation = torch.as_tensor(state, dtype=torch.float32, device=self.device)[None]
        actions = self.policy.actor(observation)
        return self.policy.expect(observation, actions)[0].cpu().numpy()

    def _renew(self) -> None:
        """Let all begin fresh that belongs to one task."""
        fresh: Any = self.policy_class(
            self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs
        )
        for name in ("actor", "actor_target", "critic", "critic_target", "model"):
            getattr(self.policy, name).load_state_dict(getattr(fresh, name).state_dict())
        for optimizer in (
            *(self.policy.actor.optimizer, self.policy.critic.optimizer),
            self.policy.model_optimizer,
        ):
            optimizer.state.clear()

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        optimizers = (
            *("actor.optimizer", "critic.optimizer"),
            *("continual.optimizer", "model_optimizer"),
        )
        return ["policy", *(f"policy.{name}" for name in optimizers)], []

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_tasks"]
