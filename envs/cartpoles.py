"""CartPole without an end, and CartPole with a continuous action on a track that may tilt."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv


@final
class EndlessCartPole(CartPoleEnv):
    """CartPole that goes on for ever: nothing ends an episode.

    After the environment of Reactive Exploration (Steinparz et al., CoLLAs 2022): the cart stops at
    the ends of the track; a pole that passes straight down is put back near upright; the reward is
    1 - x^2 / 11.52 - a^2 / 288, with the cart's place x in metres and the pole's distance a from
    upright in degrees. `reset()` goes on where it was; only `reset(seed=...)` begins anew.

    Example:
        >>> env = EndlessCartPole()
        >>> observation, _ = env.reset(seed=0)
        >>> observation, reward, terminated, truncated, _ = env.step(1)
        >>> reward < 1.0, terminated
        (True, False)
    """

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode=render_mode)
        self._high = np.array([2.4, np.inf, np.pi, np.inf], dtype=np.float32)
        self.observation_space = spaces.Box(-self._high, self._high, dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin anew with a seed, else go on."""
        if seed is not None or self.state is None:
            return super().reset(seed=seed, options=options)
        return np.array(self.state, dtype=np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move the cart, and put back what went too far."""
        super().step(action)
        self.steps_beyond_terminated = None  # gymnasium would warn of steps after the end
        assert self.state is not None
        x, speed, angle, rotation = (float(value) for value in self.state)
        if abs(x) > 2.4:
            x, speed = math.copysign(2.4, x), 0.0
        if abs(angle) > math.pi:
            angle, rotation = float(self.np_random.uniform(-0.05, 0.05)), 0.0
        self.state = np.array([x, speed, angle, rotation])
        reward = 1.0 - x**2 / 11.52 - math.degrees(angle) ** 2 / 288.0
        # One float32 step past the bounds would lie outside of the space.
        observation = self.state.astype(np.float32).clip(-self._high, self._high)
        return observation, reward, False, False, {}


@final
class TiltedCartPole(CartPoleEnv):
    """CartPole with a continuous force, a joint that may be damped and a track that may tilt.

    Inspired by Cataclysmic Cartpole (Kelly et al., IROS 2023), whose exact specification is not
    public: this parameterisation is our own. The pole's angle is measured from the track's normal,
    so that observations hold no cue of the tilt. With the track rising by b to the right, x the
    cart's place, a the pole's angle, M the total mass, m and l the pole's mass and half its length:

        M x'' + m l (a'' cos a - a'^2 sin a) = F - M g sin b
        4/3 l a'' + x'' cos a = g sin(a - b) - d a' / (m l)

    The reward is cos(a - b): 1 for a pole that stands upright. An episode ends where the pole is
    more than 45 degrees from upright, or the cart more than 2.4 metres from the middle.

    Example:
        >>> env = TiltedCartPole()
        >>> _ = env.reset(seed=0)
        >>> env.track_angle = 10.0
        >>> observation, reward, terminated, _, _ = env.step(np.array([0.5], dtype=np.float32))
        >>> observation.shape, terminated
        ((4,), False)
    """

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode=render_mode)
        self.track_angle = 0.0
        self.damping = 0.0
        self.action_space = spaces.Box(-1.0, 1.0, (1,), dtype=np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (4,), dtype=np.float32)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Push the cart with a share of the force."""
        assert self.state is not None, "reset() must come before the first step"
        x, speed, angle, rotation = (float(value) for value in self.state)
        force = self.force_mag * float(np.clip(np.asarray(action).reshape(-1)[0], -1.0, 1.0))
        tilt = math.radians(self.track_angle)
        sine, cosine = math.sin(angle), math.cos(angle)
        push = force - self.total_mass * self.gravity * math.sin(tilt)
        push = (push + self.polemass_length * rotation**2 * sine) / self.total_mass
        turning = self.gravity * math.sin(angle - tilt) - cosine * push
        turning -= self.damping * rotation / self.polemass_length
        turning /= self.length * (4.0 / 3.0 - self.masspole * cosine**2 / self.total_mass)
        acceleration = push - self.polemass_length * turning * cosine / self.total_mass
        x, speed = x + self.tau * speed, speed + self.tau * acceleration
        angle, rotation = angle + self.tau * rotation, rotation + self.tau * turning
        self.state = np.array([x, speed, angle, rotation])
        upright = math.cos(angle - tilt)
        terminated = upright < math.cos(math.pi / 4) or abs(x) > 2.4
        return self.state.astype(np.float32), upright, terminated, False, {}
