"""SAC's networks with layer norm."""

from __future__ import annotations

from typing import Any, Literal, final

from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import nn

from ...wrappers.errors import SettingsError, unknown
from ..bodies import insert_norms


@final
class LayerNormPolicy(SACPolicy):
    """stable-baselines3's policy of SAC with a layer norm before each hidden activation.

    Ba et al., "Layer normalization" (2016); in the critics as in DroQ (Hiraoka et al., 2022).
    `SAC(..., layer_norm="critic")` uses it.

    Args:
        *args: as for `stable_baselines3.sac.policies.SACPolicy`.
        layer_norm: "critic" for the critics alone, "both" for the actor too.
        **kwargs: as for `SACPolicy`.
    """

    def __init__(
        self, *args: Any, layer_norm: Literal["critic", "both"] = "both", **kwargs: Any
    ) -> None:
        self.layer_norm = layer_norm
        super().__init__(*args, **kwargs)

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        """Make the actor.

        Args:
            features_extractor: used if given, and else a new one.
        """
        actor = super().make_actor(features_extractor)
        if self.layer_norm == "both":
            assert isinstance(actor.latent_pi, nn.Sequential)
            insert_norms(actor.latent_pi, nn.LayerNorm)
        return actor

    def make_critic(
        self, features_extractor: BaseFeaturesExtractor | None = None
    ) -> ContinuousCritic:
        """Make the critics.

        Args:
            features_extractor: used if given, and else a new one.
        """
        critic = super().make_critic(features_extractor)
        for network in critic.q_networks:
            assert isinstance(network, nn.Sequential)
            insert_norms(network, nn.LayerNorm)
        return critic

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"layer_norm": self.layer_norm}


def with_layer_norm(
    policy: str | type[SACPolicy], policy_kwargs: dict[str, Any] | None, layer_norm: str
) -> tuple[type[SACPolicy], dict[str, Any]]:
    """Return the policy and its settings with layer norm.

    Args:
        policy: the policy asked for.
        policy_kwargs: its settings.
        layer_norm: "critic" or "both".

    Raises:
        SettingsError: another word, or a policy that can't have one.
    """
    if layer_norm not in ("critic", "both"):
        raise unknown("layer_norm", layer_norm, ("none", "critic", "both"))
    if policy != "MlpPolicy":
        raise SettingsError(f"layer_norm needs the policy 'MlpPolicy', not {policy!r}")
    return LayerNormPolicy, {**(policy_kwargs or {}), "layer_norm": layer_norm}
