"""Settings of runs so small that all of a run happens within two seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from everlearn.envs import Stream
from everlearn.training.cotasp import TrainCoTASP
from everlearn.training.offline_agents import TrainCQL, TrainFamO2O, TrainIQL, TrainOER
from everlearn.training.ppo import TrainPPO
from everlearn.training.recurrent_ppo import TrainRecurrentPPO
from everlearn.training.rl_squared import TrainRLSquared
from everlearn.training.sac import TrainSAC
from everlearn.training.secbad import TrainSeCBAD
from everlearn.wrappers.change import Change
from everlearn.wrappers.schedules import Periodic
from everlearn.wrappers.values import Values

METHODS = ("continual-backprop:replacement_rate=0.05,maturity=3",)
# So hasty that noise alone is noticed, before and after each checkpoint.
DETECTION = (
    "change-detection:every_steps=4,window=3,threshold=0.2,memory=8,least_deviation=0",
    "resets:every_steps=none,at_change=true",
)
REPLAYING = (
    "adaptive-replay-ratio:low=0.25,high=1,check_every=1,gap=1,min_checks=1",
    "causality-aware-entropy:every_steps=40,samples=30,estimator=least-squares",
    "warm-start:steps=20,ratio=none",
    "resets:every_steps=none,at_steps=[90,150]",
)
# A change lands at 50, 100, ...: before and after checkpoints at 64, 128, ...
STREAM = "everlearn/SlipperyAnt-v0:change_every=50"
PPO = TrainPPO(
    stream=STREAM,
    total_steps=256,
    n_envs=2,
    n_steps=16,
    batch_size=16,
    n_epochs=2,
    hidden_sizes=(8, 8),
    checkpoint_every=2,
    evaluate_every=3,
    evaluation_steps=20,
)
RECURRENT_PPO = TrainRecurrentPPO(
    stream=STREAM,
    total_steps=256,
    n_envs=2,
    n_steps=16,
    batch_size=16,
    n_epochs=2,
    lstm_size=6,
    hidden_sizes=(8,),
    checkpoint_every=2,
    evaluate_every=3,
    evaluation_steps=20,
)
SAC = TrainSAC(
    stream=STREAM,
    total_steps=256,
    n_envs=1,
    iteration_steps=32,
    learning_starts=40,
    batch_size=8,
    buffer_size=100,
    replay_ratio=0.5,
    hidden_sizes=(8, 8),
    checkpoint_every=2,
    evaluate_every=3,
    evaluation_steps=20,
)
SMALL = "hidden_size=4,latent_size=2,decoder_size=4,train_every=48,updates=2,memory_steps=100"
SECBAD = TrainSeCBAD(
    stream="everlearn/CartPoleForceSign-v0:mean_length=20",
    context=f"secbad:segment_mean=20,segment_deviation=5,{SMALL}",
    base="ppo:n_steps=16,batch_size=16,hidden_sizes=[8,8]",
    total_steps=256,
    n_envs=2,
    checkpoint_every=2,
    evaluate_every=3,
    evaluation_steps=20,
)
RL_SQUARED = TrainRLSquared(
    stream="everlearn/CartPoleForces-v0:horizon=12",
    base="recurrent-ppo:n_steps=16,batch_size=16,n_epochs=2,lstm_size=6,hidden_sizes=[8]",
    episodes=2,
    levels=5,
    held_out=2,
    total_steps=256,
    n_envs=2,
    checkpoint_every=2,
    evaluate_every=3,
)
NORMALIZED: dict[str, Any] = {"normalize_observations": True, "normalize_rewards": True}
AGENTS: dict[str, Any] = {
    "ppo": PPO,
    "ppo+method": replace(PPO, methods=METHODS),
    "ppo+detection": replace(PPO, methods=DETECTION),
    "recurrent-ppo": RECURRENT_PPO,
    "recurrent-ppo+method": replace(RECURRENT_PPO, methods=("l2-init", "upgd")),
    "sac": SAC,
    "sac+method": replace(SAC, methods=METHODS),
    # Its changes are told, about every 60 steps.
    "sac+replaying": replace(
        SAC,
        stream="everlearn/HalfCheetahVelocity-v0",
        methods=REPLAYING,
        layer_norm="both",
        residual_blocks=True,
        actor_sizes=(6, 6),
    ),
    "secbad": SECBAD,
    "secbad on sac": replace(
        SECBAD,
        stream="everlearn/CataclysmicCartPole-v0",
        context=f"secbad:labels=no,at_episode_end=reset,window=6,n_ages=70,{SMALL}",
        base="sac:iteration_steps=32,learning_starts=40,batch_size=8,hidden_sizes=[8,8]"
        ",buffer_size=100,replay_ratio=0.5",
    ),
    "secbad on recurrent-ppo": replace(
        SECBAD,
        context="history:frames=1",
        base="recurrent-ppo:n_steps=16,batch_size=16,lstm_size=6,lstm_layers=2,critic_lstm=no"
        ",hidden_sizes=[]",
    ),
    "rl-squared": RL_SQUARED,
    "ppo, normalized": replace(PPO, **NORMALIZED, normalization_at_change="reset"),
    "sac, normalized": replace(SAC, **NORMALIZED, normalization_at_change="per-task"),
    "ppo+method, compiled": replace(PPO, methods=METHODS, backend="compiled"),
    "sac+method, compiled": replace(SAC, methods=METHODS, backend="compiled"),
}
BACKENDS = ("native", "gymnasium", "envpool")

# The second task is from step 50 to 100, and a checkpoint in the middle of it.
TASKS = replace(
    SAC,
    stream="everlearn/CW3-v0:steps_per_task=50",
    total_steps=160,
    learning_starts=20,
    hidden_sizes=(32, 32),
    evaluation_steps=5,
)
RETENTION: dict[str, Any] = {
    "fine-tuning": ("multi-head", "fine-tuning"),
    "packnet": ("multi-head", "packnet:n_tasks=3,retrain_steps=4"),
    "clonex": ("multi-head", "clonex:memory_size=20,batch_size=8"),
    "cotasp": ("cotasp:sparsity=0.01,distillation_steps=4,weight_updates=6,prompt_updates=2",),
}

TOLD: Any = Stream(
    "everlearn/Told-v0",
    ("Hopper-v5",),
    (Change("gravity-scale", Values((1.0, 1.5, 0.7)), Periodic(50)),),
    boundary_labels="always",
).to_dict()
"""Three tasks, of which the learner is told, again and again."""

IN_TASKS: dict[str, Any] = {
    "ppo": replace(PPO, stream=TOLD, evaluation_episodes=1, trainability_every=12),
    "sac": replace(
        SAC,
        stream=TOLD,
        evaluation_episodes=1,
        trainability_every=12,
        replay_ratio=0.25,
        learning_starts=10,  # at the beginning of each task
    ),
}
"""Agents that know tasks, if they have a method for it."""

BUFFERS: dict[str, Any] = {
    "sac, reservoir": replace(IN_TASKS["sac"], replay="reservoir"),
    "sac, per-task": replace(IN_TASKS["sac"], replay="per-task", present_share=0.5),
    "sac, three steps": replace(SAC, n_steps=3),
    # The files have no names: nothing is left there.
    "sac, memory-mapped": replace(SAC, memmap_folder="."),
    "sac, per-task, memory-mapped": replace(IN_TASKS["sac"], replay="per-task", memmap_folder="."),
}

COTASP = TrainCoTASP(
    stream="everlearn/CW3-v0:steps_per_task=50",
    total_steps=256,
    iteration_steps=32,
    learning_starts=10,
    batch_size=8,
    buffer_size=100,
    replay_ratio=0.5,
    actor_sizes=(48, 48),
    critic_sizes=(8,),
    prompts="distillation_steps=2,weight_updates=6,prompt_updates=2",
    checkpoint_every=2,
    evaluate_every=7,
    evaluation_steps=20,
    evaluation_episodes=1,
)

OFFLINE: dict[str, Any] = {
    "iql": TrainIQL(),
    "cql": TrainCQL(n_actions=2),
    "cal-ql": TrainCQL(n_actions=2, calibrated=True),
    "famo2o": TrainFamO2O(),
    "oer": TrainOER(steps_per_set=320, memory_size=10, iteration_steps=32),
}
"""Agents that learn from sets, which are not named yet."""
