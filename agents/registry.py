"""Methods by name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from ..wrappers.errors import SettingsError, unknown
from ..wrappers.settings import convert_settings, split_settings

if TYPE_CHECKING:
    from .method import Method

METHODS = {
    "a-gem": ".retention.a_gem:AGEM",
    "adaptive-replay-ratio": ".replay.adaptive_replay_ratio:AdaptiveReplayRatio",
    "ash": ".plasticity.ash:ASH",
    "causality-aware-entropy": ".replay.causality_aware_entropy:CausalityAwareEntropy",
    "cautious": ".plasticity.cautious:Cautious",
    "change-detection": ".reaction.change_detection:ChangeDetection",
    "churn-reduction": ".plasticity.churn_reduction:ChurnReduction",
    "clear": ".retention.clear:CLEAR",
    "clonex": ".retention.clonex:ClonEx",
    "continual-backprop": ".plasticity.continual_backprop:ContinualBackprop",
    "core": ".plasticity.core:CoRe",
    "cotasp": ".cotasp:CoTASP",
    "crelu": ".plasticity.crelu:CReLU",
    "deep-fourier": ".plasticity.deep_fourier:DeepFourier",
    "dormant-gradient-perturbation": (
        ".plasticity.dormant_gradient_perturbation:DormantGradientPerturbation"
    ),
    "drm-perturbation": ".plasticity.drm_perturbation:DrMPerturbation",
    "elephant": ".plasticity.elephant:Elephant",
    "equal-betas-adam": ".plasticity.equal_betas_adam:EqualBetasAdam",
    "experts": ".reaction.experts:Experts",
    "fine-tuning": ".retention.fine_tuning:FineTuning",
    "infinite-schedule": ".plasticity.infinite_schedule:InfiniteSchedule",
    "l2": ".plasticity.l2:L2",
    "l2-init": ".plasticity.l2_init:L2Init",
    "l2-previous": ".retention.l2_previous:L2Previous",
    "l2m": ".retention.l2m:L2M",
    "layer-norm": ".plasticity.layer_norm:LayerNorm",
    "lion": ".plasticity.lion:Lion",
    "mas": ".retention.mas:MAS",
    "multi-head": ".retention.multi_head:MultiHead",
    "nap": ".plasticity.nap:NaP",
    "online-ewc": ".retention.online_ewc:OnlineEWC",
    "packnet": ".retention.packnet:PackNet",
    "parseval": ".plasticity.parseval:Parseval",
    "perfect-memory": ".retention.perfect_memory:PerfectMemory",
    "plasticity-injection": ".plasticity.plasticity_injection:PlasticityInjection",
    "reactive-exploration": ".reaction.reactive_exploration:ReactiveExploration",
    "redo": ".plasticity.redo:ReDo",
    "reset-and-distill": ".retention.reset_and_distill:ResetAndDistill",
    "resets": ".plasticity.resets:Resets",
    "self-normalized-resets": ".plasticity.self_normalized_resets:SelfNormalizedResets",
    "shrink-and-perturb": ".plasticity.shrink_and_perturb:ShrinkAndPerturb",
    "spectral": ".plasticity.spectral:Spectral",
    "tail": ".retention.tail:TAIL",
    "trac": ".plasticity.trac:TRAC",
    "upgd": ".plasticity.upgd:UPGD",
    "warm-start": ".replay.warm_start:WarmStart",
    "wasserstein": ".plasticity.wasserstein:Wasserstein",
    "weight-norm": ".plasticity.weight_norm:WeightNorm",
    "wsn": ".retention.wsn:WSN",
}
"""Where each method's class is; a new method is one more line."""


def method_names() -> tuple[str, ...]:
    """Return the names of all methods.

    Example:
        >>> "continual-backprop" in method_names()
        True
    """
    return tuple(sorted(METHODS))


def make_method(name: str, /, **settings: Any) -> Method:
    """Build a method by its name.

    Args:
        name: one of `method_names()`, or "module:Class" for a method from elsewhere.
        **settings: the method's settings, as values or as text.

    Raises:
        SettingsError: an unknown method or setting, or a value of the wrong type or range.

    Example:
        >>> make_method("continual-backprop", maturity="2e3").maturity
        2000
        >>> make_method("continual-backprob")
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: unknown method 'continual-backprob': \
did you mean 'continual-backprop'?
    """
    if name in METHODS:
        method_class = _find_class(METHODS[name])
    elif ":" in name:
        method_class = _find_class(name)
    else:
        raise unknown("method", name, METHODS)
    converted = convert_settings(method_class.name, method_class, settings)
    for setting, parameter in signature(method_class).parameters.items():
        if parameter.default is parameter.empty and setting not in converted:
            raise SettingsError(f"{name} needs the setting {setting!r}")
    return method_class(**converted)


def parse_method(text: str) -> Method:
    """Build a method from `name` or `name:setting=value,setting=value`.

    Args:
        text: what the user wrote.

    Raises:
        SettingsError: as for `make_method`, or the text is not of this form.

    Example:
        >>> parse_method("continual-backprop:replacement_rate=1e-3,maturity=100").maturity
        100
    """
    name, settings = split_settings(text)
    return make_method(name, **settings)


def describe_method(method: Method) -> dict[str, Any]:
    """Return plain data from which `rebuild_method` builds the method again, without its state.

    Args:
        method: any method, also one that is not registered.

    Raises:
        SettingsError: it is no method.

    Example:
        >>> describe_method(make_method("continual-backprop"))["class"]
        'everlearn.agents.plasticity.continual_backprop:ContinualBackprop'
    """
    from .method import Method

    if not isinstance(method, Method):
        raise SettingsError(f"a method must be like ContinualBackprop(), not {method!r}")
    kind = type(method)
    return {"class": f"{kind.__module__}:{kind.__qualname__}", "settings": method.settings()}


def describe_methods(methods: Iterable[Method]) -> list[dict[str, Any]]:
    """Return plain data of an agent's methods, each of which it has once.

    Args:
        methods: the methods.

    Raises:
        SettingsError: they are no list of methods, or one is given twice.

    Example:
        >>> describe_methods([make_method("l2"), make_method("l2")])
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: the method 'l2' is given twice
    """
    from .method import Method

    if isinstance(methods, Method):
        raise SettingsError(f"methods must be a list, such as [{methods!r}]")
    methods = list(methods)
    described = [describe_method(method) for method in methods]
    names = [method.name for method in methods]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"the method {name!r} is given twice")
    return described


def rebuild_method(description: dict[str, Any]) -> Method:
    """Build a method from its description.

    Args:
        description: from `describe_method`, possibly through JSON.

    Raises:
        SettingsError: the class is not found, or does not take the settings.

    Example:
        >>> rebuild_method(describe_method(make_method("continual-backprop", maturity=7))).maturity
        7
    """
    method_class = _find_class(description["class"])
    return method_class(
        **convert_settings(method_class.name, method_class, description["settings"])
    )


def _find_class(path: str) -> type[Method]:
    from .method import Method

    module, _, qualified_name = path.partition(":")
    try:
        found = reduce(getattr, qualified_name.split("."), import_module(module, __package__))
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"there is no method {path!r}: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise SettingsError(f"{path!r} is no method: it does not subclass everlearn's Method")
    return found
