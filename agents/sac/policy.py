"""SAC's networks with layer norm, of residual blocks if asked."""

from __future__ import annotations

from typing import Any, Literal, final

from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import nn

from ...wrappers.errors import SettingsError, unknown
from ..bodies import insert_norms
from ..residual import make_residual


@final
class LayerNormPolicy(SACPolicy):
    """stable-baselines3's policy of SAC with a layer norm before each hidden activation.

    Ba et al., "Layer normalization" (2016); in the critics as in DroQ (Hiraoka et al., 2022).
    `SAC(..., layer_norm="critic")` uses it. With residual blocks, the networks that have a layer
    norm become BroNets (Nauman et al., 2024), see `everlearn.agents.residual.make_residual`.

    Args:
        *args: as for `stable_baselines3.sac.policies.SACPolicy`.
        layer_norm: "critic" for the critics alone, "both" for the actor too.
        residual_blocks: whether the networks with layer norm are of residual blocks.
        **kwargs: as for `SACPolicy`.
    """

    def __init__(
        self,
        *args: Any,
        layer_norm: Literal["critic", "both"] = "both",
        residual_blocks: bool = False,
        **kwargs: Any,
    ) -> None:
        self.layer_norm = layer_norm
        self.residual_blocks = residual_blocks
        super().__init__(*args, **kwargs)

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        """Make the actor.

        Args:
            features_extractor: used if given, and else a new one.
        """
        actor = super().make_actor(features_extractor)
        if self.layer_norm == "both":
            self._normalize(actor.latent_pi)
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
            self._normalize(network)
        return critic

    def _normalize(self, network: nn.Module) -> None:
        assert isinstance(network, nn.Sequential)
        if self.residual_blocks:
            make_residual(network)
        else:
            insert_norms(network, nn.LayerNorm)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        own = {"layer_norm": self.layer_norm, "residual_blocks": self.residual_blocks}
        return super()._get_constructor_parameters() | own


def with_layer_norm(
    policy: str | type[SACPolicy],
    policy_kwargs: dict[str, Any] | None,
    layer_norm: str,
    residual_blocks: bool = False,
) -> tuple[type[SACPolicy], dict[str, Any]]:
    """Return the policy and its settings with layer norm.

    Args:
        policy: the policy asked for.
        policy_kwargs: its settings.
        layer_norm: "critic" or "both".
        residual_blocks: whether the networks with layer norm are of residual blocks.

    Raises:
        SettingsError: another word, or a policy that can't have one.
    """
    if residual_blocks and layer_norm == "none":
        raise SettingsError("residual_blocks needs layer_norm 'critic' or 'both', not 'none'")
    if layer_norm not in ("critic", "both"):
        raise unknown("layer_norm", layer_norm, ("none", "critic", "both"))
    if policy != "MlpPolicy":
        raise SettingsError(f"layer_norm needs the policy 'MlpPolicy', not {policy!r}")
    own = {"layer_norm": layer_norm} | ({"residual_blocks": True} if residual_blocks else {})
    return LayerNormPolicy, {**(policy_kwargs or {}), **own}
