"""Proximal policy optimization with a memory: an LSTM."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, final

import sb3_contrib
import torch
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from torch import Tensor, nn

from ..wrappers.errors import SettingsError, unknown
from .layers import Part
from .method import Method, overrides
from .on_policy_host import OnPolicyHost
from .ppo.parts import build_parts
from .retention.retention_method import RetentionMethod
from .retention.task import Examples

BACKENDS = ("fused", "reference")
"""How sequences go through the LSTM: whole, or as in sb3-contrib, step by step."""

_CLOSED = (
    *("network", "observe", "penalty", "change_gradients", "after_step", "after_rollout"),
    *("notices", "reward"),
)
"""Seams of methods that look into layers, batches or steps, of which none here is as they know it:
batches are padded sequences, and most weights are the LSTM's."""


@final
class RecurrentPPO(OnPolicyHost, sb3_contrib.RecurrentPPO):
    """sb3-contrib's PPO with an LSTM, with methods, and with checkpoints that hold its memory.

    Everything of `sb3_contrib.RecurrentPPO` works as it does there, and with
    `backend="reference"` and without methods the agent also learns the same, bit for bit. By
    default whole sequences go through the LSTM at once, which is the same up to rounding;
    sb3-contrib calls it step by step in every batch in which an episode begins. Each row of the
    log holds a rollout and the update with it.

    Methods that put a term of weights into the loss, an optimizer or a learning rate can be used:
    `l2-init`, `upgd`, `infinite-schedule` and their like. Others are refused. A zip holds no
    memory, as in sb3-contrib: what is loaded begins an episode.

    Args:
        policy: as for `sb3_contrib.RecurrentPPO`, and so are all others but the following.
        env: the world, or its id in gymnasium, or a vector of copies.
        methods: what keeps the agent able to learn; the agent uses its own copies.
        backend: how sequences go through the LSTM: one of `BACKENDS`.

    Raises:
        SettingsError: an unknown backend, a method that is none, or that does not fit.

    Example:
        >>> from everlearn.agents.recurrent_ppo import RecurrentPPO
        >>> agent = RecurrentPPO("MlpLstmPolicy", "CartPole-v1", n_steps=32, device="cpu")
        >>> agent.learn(32).num_timesteps
        32
    """

    def __init__(
        self,
        policy: str | type[RecurrentActorCriticPolicy],
        env: GymEnv | str,
        learning_rate: float | Schedule = 3e-4,
        n_steps: int = 128,
        batch_size: int | None = 128,
        n_epochs: int = 10,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        clip_range: float | Schedule = 0.2,
        clip_range_vf: float | Schedule | None = None,
        normalize_advantage: bool = True,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        use_sde: bool = False,
        sde_sample_freq: int = -1,
        target_kl: float | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
        *,
        methods: Iterable[Method] = (),
        backend: Literal["fused", "reference"] = "fused",
    ) -> None:
        if backend not in BACKENDS:
            raise unknown("backend", backend, BACKENDS)
        self.backend = backend
        self._hold_methods(methods)
        super().__init__(
            policy=policy,
            env=env,
            learning_rate=learning_rate,
            n_steps=n_steps,
            batch_size=batch_size,
            n_epochs=n_epochs,
            gamma=gamma,
            gae_lambda=gae_lambda,
            clip_range=clip_range,
            clip_range_vf=clip_range_vf,
            normalize_advantage=normalize_advantage,
            ent_coef=ent_coef,
            vf_coef=vf_coef,
            max_grad_norm=max_grad_norm,
            use_sde=use_sde,
            sde_sample_freq=sde_sample_freq,
            target_kl=target_kl,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=policy_kwargs,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
        )

    def train(self) -> None:
        """Update the networks with the rollout, then log the whole iteration."""
        super().train()
        self._finish_iteration()
        self._write_row()

    def _setup_model(self) -> None:
        super()._setup_model()
        if self.backend == "fused":
            # An attribute of the object, so that the class stays sb3-contrib's.
            vars(self.policy)["_process_sequence"] = process_sequence

    def _build_parts(self) -> tuple[Part, ...]:
        for method in self.methods:
            if isinstance(method, RetentionMethod) or overrides(method, *_CLOSED):
                raise SettingsError(
                    f"the method {method.name!r} cannot be used with RecurrentPPO, which takes "
                    "those that add a term of weights to the loss (such as l2-init) or bring an "
                    "optimizer or a learning rate"
                )
        return build_parts(self.policy)

    def _draw_examples(self, count: int, generator: torch.Generator | None) -> Examples:
        raise SettingsError("RecurrentPPO keeps no examples of tasks")


def process_sequence(
    features: Tensor,
    lstm_states: tuple[Tensor, Tensor],
    episode_starts: Tensor,
    lstm: nn.LSTM,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Take sequences into an LSTM at once, each from its own state.

    The same as sb3-contrib's `RecurrentActorCriticPolicy._process_sequence`, which does it step by
    step wherever a sequence begins an episode. Its rollout buffer cuts sequences there, so that
    only first steps do.

    Args:
        features: of all steps, sequence after sequence, of shape (sequences * length, features).
        lstm_states: hidden and cell state before each sequence, each of shape (layers, sequences,
            units).
        episode_starts: 1 where a step begins an episode, of shape (sequences * length,).
        lstm: takes them in.

    Returns:
        The outputs, of shape (sequences * length, units), and the states after each sequence.
    """
    n_sequences = lstm_states[0].shape[1]
    starts = episode_starts.reshape(n_sequences, -1)
    if starts[:, 1:].any():
        # Its annotation takes the states for one tensor each.
        result: Any = RecurrentActorCriticPolicy._process_sequence(
            features, lstm_states, episode_starts, lstm
        )
        return result
    kept = (1.0 - starts[:, 0]).view(1, n_sequences, 1)
    steps = features.reshape(n_sequences, -1, lstm.input_size).swapaxes(0, 1)
    outputs, (hidden, cell) = lstm(steps, (kept * lstm_states[0], kept * lstm_states[1]))
    return outputs.transpose(0, 1).flatten(end_dim=1), (hidden, cell)
