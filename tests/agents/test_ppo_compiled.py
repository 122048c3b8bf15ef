"""The compiled back end of PPO; one small configuration is shared, for each compile takes long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from everlearn.agents import ContinualBackprop
from everlearn.agents.backends import Compiled, find_compiler
from everlearn.agents.registry import make_method

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="there is no C++ compiler")

BETAS = {"net_arch": [8, 8], "optimizer_kwargs": {"betas": (0.99, 0.99)}}


def active() -> ContinualBackprop:
    return ContinualBackprop(maturity=2, replacement_rate=0.05, decay=0.9)


def test_it_equals_the_reference_with_continual_backprop(
    twins: Callable[..., Any],
    train_both: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = {"methods": [active()], "policy_kwargs": BETAS, "batch_size": 24}
    with pytest.warns(UserWarning, match="mini-batch size of 24"):
        reference, fast = twins("compiled", **own)
    train_both(reference, fast)
    assert fast.backend_in_use == "compiled"
    compiled = [line for line in caplog.messages if "everlearn: compiled PPO's update in" in line]
    assert len(compiled) == 1
    log, wanted = fast.logger.name_to_value, reference.logger.name_to_value
    assert log.keys() == wanted.keys()
    for tag, value in wanted.items():
        assert log[tag] == pytest.approx(value, rel=1e-3, abs=1e-5), tag
    for name in ("actor", "critic"):
        pairs = zip(fast.methods[0].units[name], reference.methods[0].units[name], strict=True)
        for one, other in pairs:
            assert one.replaced == other.replaced > 0
            assert torch.equal(one.births, other.births)
            torch.testing.assert_close(one.averages, other.averages, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("env", ["Pendulum-v1", "CartPole-v1"])
@pytest.mark.parametrize(
    "own",
    [
        {},
        {"clip_range_vf": 0.05, "ent_coef": 0.02, "vf_coef": 0.3, "max_grad_norm": 0.01},
        {"target_kl": 3e-3, "learning_rate": 3e-3, "normalize_advantage": False},
        {"policy_kwargs": {"net_arch": [8], "activation_fn": torch.nn.Softplus}},
        {"methods": [active()], "policy_kwargs": BETAS, "target_kl": 3e-3},
        {"methods": [make_method("upgd", noise=0.1), active()]},
        {"methods": [make_method("lion")]},
        {"methods": [make_method("self-normalized-resets", longest_silence=3, threshold=0.5)]},
        {"methods": [make_method("churn-reduction", critic_coefficient=1.0)]},
    ],
)
def test_it_equals_the_reference(
    own: dict[str, Any],
    env: str,
    dtype: torch.dtype,
    twins: Callable[..., Any],
    train_both: Callable[..., None],
) -> None:
    reference, fast = twins("compiled", dtype, env=env, **own)
    train_both(reference, fast)
    assert fast.backend_in_use == "compiled"
    known = [f for each in fast._learner._functions.values() for f in vars(each).values()]
    used = [function for function in known if function.seconds is not None]
    assert used
    assert not any(function.failed for function in used)


@pytest.mark.slow
def test_what_acts_rarely_has_other_code_from_its_first_act(
    twins: Callable[..., Any], train_both: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    redo = make_method("redo", every_updates=20, dormant_threshold=1.0)
    reference, fast = twins("compiled", methods=[redo])
    assert not fast._learner.flat.holds_corrections
    train_both(reference, fast)
    assert fast._learner.flat.holds_corrections
    assert sum("everlearn: compiled PPO's update in" in line for line in caplog.messages) == 2


def test_functions_do_not_share_torchs_count_of_compilations() -> None:
    def twice(values: torch.Tensor) -> torch.Tensor:
        return 2 * values

    one, other = Compiled(twice, "a test"), Compiled(twice, "a test")
    assert one._function._torchdynamo_orig_callable.__code__ is not (  # type: ignore[attr-defined]
        other._function._torchdynamo_orig_callable.__code__  # type: ignore[attr-defined]
    )
