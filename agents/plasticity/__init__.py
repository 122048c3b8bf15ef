"""Methods that keep a network able to learn, one file each."""

from .ash import ASH
from .cautious import Cautious
from .churn_reduction import ChurnReduction
from .continual_backprop import ContinualBackprop
from .core import CoRe
from .crelu import CReLU
from .deep_fourier import DeepFourier
from .dormant_gradient_perturbation import DormantGradientPerturbation
from .drm_perturbation import DrMPerturbation
from .elephant import Elephant
from .equal_betas_adam import EqualBetasAdam
from .infinite_schedule import InfiniteSchedule
from .l2 import L2
from .l2_init import L2Init
from .layer_norm import LayerNorm
from .lion import Lion
from .nap import NaP
from .parseval import Parseval
from .plasticity_injection import PlasticityInjection
from .redo import ReDo
from .resets import Resets
from .self_normalized_resets import SelfNormalizedResets
from .shrink_and_perturb import ShrinkAndPerturb
from .spectral import Spectral
from .trac import TRAC
from .upgd import UPGD
from .wasserstein import Wasserstein
from .weight_norm import WeightNorm

__all__ = [
    "ASH",
    "CReLU",
    "Cautious",
    "ChurnReduction",
    "CoRe",
    "ContinualBackprop",
    "DeepFourier",
    "DormantGradientPerturbation",
    "DrMPerturbation",
    "Elephant",
    "EqualBetasAdam",
    "InfiniteSchedule",
    "L2",
    "L2Init",
    "LayerNorm",
    "Lion",
    "NaP",
    "Parseval",
    "PlasticityInjection",
    "ReDo",
    "Resets",
    "SelfNormalizedResets",
    "ShrinkAndPerturb",
    "Spectral",
    "TRAC",
    "UPGD",
    "Wasserstein",
    "WeightNorm",
]
