from __future__ import annotations

from typing import Any

import pytest
import torch

from everlearn.agents import PPO, SAC
from everlearn.agents.layers import Part
from everlearn.agents.retention import AGEM
from everlearn.agents.retention.a_gem import project
from everlearn.agents.retention.task import Examples
from everlearn.wrappers.errors import SettingsError

from .conftest import data


def test_what_is_projected_points_no_longer_against_the_reference() -> None:
    generator = torch.Generator().manual_seed(0)
    seen = [0, 0]
    for _ in range(50):
        gradient, reference = (
            torch.randn(40, generator=generator, dtype=torch.float64) for _ in range(2)
        )
        projected = project(gradient, reference)
        against = bool(torch.dot(gradient, reference) < 0)
        seen[against] += 1
        assert torch.dot(projected, reference) >= -1e-6
        if against:
            # The rest is as it was, and nothing is longer.
            change = gradient - projected
            assert torch.nn.functional.cosine_similarity(change, reference, dim=0) < -0.999
            assert projected.norm() < gradient.norm()
        else:
            assert projected is gradient
    assert min(seen) > 5


def test_steps_are_projected_onto_the_memory_s(build_learner: Any, learn_task: Any) -> None:
    learner = build_learner(AGEM(memory_size=4000, batch_size=4000))
    (method,) = learner.methods
    learn_task(learner, 0)
    learner.start_task(1)
    changed: list[tuple[torch.Tensor, torch.Tensor]] = []
    change = method.change_gradients

    def watch(part: Any, gradients: Any) -> None:
        before = torch.cat([gradient.reshape(-1).clone() for gradient in gradients])
        change(part, gradients)
        changed.append((before, torch.cat([gradient.reshape(-1) for gradient in gradients])))

    method.change_gradients = watch
    inputs, targets = data(0)
    # A task that is the opposite of the first pulls against it.
    for _ in range(5):
        learner.step(inputs, -targets)
    assert any(not torch.equal(before, after) for before, after in changed)
    examples = method.observations, method.actions
    assert len(examples[0]) == 4000
    reference = torch.cat(
        [each.reshape(-1) for each in learner.part.differentiate(Examples(*examples))]
    )
    assert reference.shape == changed[0][0].shape


def test_who_has_no_loss_for_old_examples_refuses_it() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    part = Part("actor", (), (), (weight,), torch.optim.SGD([weight]))
    with pytest.raises(SettingsError, match="a-gem needs a learner that can be asked"):
        AGEM().attach([part], seed=0)


@pytest.mark.parametrize("world", ["Pendulum-v1", "CartPole-v1"])
def test_ppo_asks_for_the_likelihood_of_what_was_done(world: str) -> None:
    agent = PPO(
        "MlpPolicy", world, methods=[AGEM()], n_steps=32, batch_size=32, device="cpu", seed=0
    )
    agent.learn(32)
    examples = agent._draw_examples(20, torch.Generator().manual_seed(0))
    part = agent.parts[0]
    assert part.differentiate is not None
    _, log_probs, _ = agent.policy.evaluate_actions(
        examples.observations, examples.actions.squeeze(1) if part.choices else examples.actions
    )
    wanted = torch.autograd.grad(-log_probs.mean(), part.parameters)
    for found, other in zip(part.differentiate(examples), wanted, strict=True):
        torch.testing.assert_close(found, other, rtol=1e-4, atol=1e-6)


def test_sac_asks_for_the_actor_s_loss() -> None:
    agent: Any = SAC("MlpPolicy", "Pendulum-v1", methods=[AGEM()], learning_starts=10, device="cpu")
    agent.learn(20)
    observations = agent.replay_buffer.sample(16).observations
    part = agent.parts[0]
    assert part.differentiate is not None
    torch.manual_seed(3)
    found = part.differentiate(Examples(observations, torch.zeros(16, 1)))
    torch.manual_seed(3)
    actions, log_probs = agent.actor.action_log_prob(observations)
    values = torch.cat(agent.critic(observations, actions), dim=1).min(dim=1).values
    loss = (agent.log_ent_coef.exp().detach() * log_probs - values).mean()
    for one, other in zip(found, torch.autograd.grad(loss, part.parameters), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
