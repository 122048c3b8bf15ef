from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from everlearn.agents import PPO, Method, plasticity, reaction, replay, retention
from everlearn.agents.registry import (
    describe_method,
    make_method,
    method_names,
    parse_method,
    rebuild_method,
)
from everlearn.wrappers.errors import SettingsError


@dataclass(eq=False, repr=False)
class Needy(Method):
    name: ClassVar[str] = "needy"

    rate: float
    sizes: tuple[int, ...] = (1, 2)


def test_parse_converts_by_type() -> None:
    method: Any = parse_method(
        "continual-backprop:replacement_rate=1e-3,maturity=2e4,bias_transfer=no,initializer=xavier"
    )
    assert method.replacement_rate == 1e-3
    assert (method.maturity, type(method.maturity)) == (20_000, int)
    assert method.bias_transfer is False
    assert method.initializer == "xavier"
    assert repr(method).startswith("ContinualBackprop(replacement_rate=0.001, maturity=20000")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("continual-backprp", "did you mean 'continual-backprop'?"),
        ("continual-backprop:", "is not a name or name:key=value"),
        ("continual-backprop:maturty=3", "setting 'maturty': did you mean 'maturity'?"),
        ("continual-backprop:maturity=3.5", "must be a whole number, not '3.5'"),
        ("continual-backprop:maturity=-3", "must be 0 or more, not -3"),
        ("continual-backprop:replacement_rate=2", "must be from 0 to 1, not 2.0"),
        ("no_such_module:Thing", "there is no method 'no_such_module:Thing'"),
        ("everlearn.agents.adam:Adam", "is no method"),
        ("everlearn.agents.adam:Adm", "there is no method"),
        ("", "is not a name"),
    ],
)
def test_mistakes_are_one_clear_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_method(text)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_methods_from_elsewhere() -> None:
    path = "everlearn.agents.plasticity.continual_backprop:ContinualBackprop"
    assert make_method(path, maturity=3).settings()["maturity"] == 3
    assert parse_method(f"{path}:maturity=3").settings()["maturity"] == 3


def test_missing_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        __import__("everlearn.agents.registry", fromlist=["METHODS"]).METHODS,
        "needy",
        f"{__name__}:Needy",
    )
    assert "needy" in method_names()
    with pytest.raises(SettingsError, match="needy needs the setting 'rate'"):
        make_method("needy")
    method: Any = make_method("needy", rate=1, sizes=[3])
    assert method.settings() == {"rate": 1.0, "sizes": (3,)}
    description = describe_method(method)
    description["settings"]["sizes"] = [3]
    assert rebuild_method(description).settings() == method.settings()


def test_a_constructor_of_ones_own_is_refused() -> None:
    with pytest.raises(TypeError, match="fields of a dataclass"):

        class Handmade(Method):
            def __init__(self) -> None: ...


def test_wrong_types_are_refused_in_python_too() -> None:
    with pytest.raises(SettingsError, match="needy setting 'rate' must be a number, not True"):
        Needy(rate=True)


def test_methods_come_as_a_list_each_once() -> None:
    method = make_method("redo")
    with pytest.raises(SettingsError, match=r"methods must be a list, such as \[ReDo\("):
        PPO("MlpPolicy", "CartPole-v1", methods=method)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="the method 'redo' is given twice"):
        PPO("MlpPolicy", "CartPole-v1", methods=[method, make_method("redo")])


def test_infinite_settings_are_refused() -> None:
    with pytest.raises(
        SettingsError, match="l2-init setting 'coefficient' must be finite, not inf"
    ):
        make_method("l2-init", coefficient="inf")


def test_every_method_can_be_imported_from_its_room() -> None:
    classes = {type(make_method(name)).__name__ for name in method_names()}
    rooms = {*plasticity.__all__, *reaction.__all__, *replay.__all__, *retention.__all__}
    # Meta-policies are in files of their own.
    assert classes == (rooms - {"RetentionMethod"}) | {"CoTASP"}
