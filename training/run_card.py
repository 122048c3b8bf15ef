"""What TensorBoard shows of a run beside its curves: configuration, layout, figures, histograms."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import yaml
from stable_baselines3.common.callbacks import BaseCallback
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from torch import Tensor
from torch.utils.tensorboard import summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..envs import Stream
    from .logging import IterationWriter
    from .settings import RunSettings
    from .tensorboard import EventWriter

MOST_WEIGHTS = 4096
"""A histogram is made of no more weights than this, evenly spaced."""

_BINS = 64
_METRICS = ("rollout/ep_rew_mean", "continual/return", "time/fps")


@final
class RunCard(BaseCallback):
    """Writes into TensorBoard's file what a run is, and every so often its weights.

    Args:
        stream: the stream that the agent learns in.
        settings: of the run.
        config: all of the configuration.
        rows: knows how many iterations have ended.
        events: TensorBoard's file.
        state: from `get_state`, to go on there.
    """

    def __init__(
        self,
        stream: Stream,
        settings: RunSettings,
        config: Mapping[str, Any],
        rows: IterationWriter,
        events: EventWriter,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._settings = settings
        self._config = config
        self._rows = rows
        self._events = events
        self._last = -1 if state is None else int(state["iteration"])
        self._laid_out = state is not None and bool(state["laid_out"])

    def get_state(self) -> dict[str, Any]:
        """Return what has been written."""
        return {"iteration": self._last, "laid_out": self._laid_out}

    def finish(self, folder: Path) -> None:
        """Draw what is known at the end only.

        Args:
            folder: the run folder.
        """
        from ..evaluation.matrix_figures import draw_accuracy
        from ..evaluation.records import read_run
        from ..evaluation.run_metrics import run_metrics

        found = run_metrics(read_run(folder))
        if found.ends.size:
            figure = draw_accuracy(found.ends, found.segments, found.score)
            self._events.write_summaries(
                [picture("continual/accuracy_matrix", figure)], self.num_timesteps
            )

    def _on_training_start(self) -> None:
        if self._last < 0:
            self._events.write_summaries([config_card(self._config)], 0)
            self._events.write_summaries(hyperparameters(self._config), 0)
            if (figure := _stream_figure(self._stream, self._settings)) is not None:
                self._events.write_summaries([picture("stream/table", figure)], 0)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self._rows.iteration == self._last:
            return
        self._last = self._rows.iteration
        if self._last and not self._laid_out:
            self._events.write_summaries([layout(self._rows.last)], 0)
            self._laid_out = True
        every = self._settings.histograms_every
        if every and self._last % every == 0:
            parameters = self.model.policy.named_parameters()
            self._events.write_summaries([histograms(parameters)], self.num_timesteps)


def config_card(config: Mapping[str, Any]) -> Any:
    """Return the configuration as a card of text.

    Args:
        config: all of it.
    """
    text = yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False, allow_unicode=True)
    return summary.text("configuration", f"```yaml\n{text}```")


def hyperparameters(config: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return what TensorBoard's page of hyperparameters compares runs by.

    Args:
        config: all of the configuration.

    Returns:
        Three summaries; the metrics are tags of this run's own curves.
    """
    agent = config["agent"]
    flat = {
        "agent": agent,
        "methods": " ".join(method["name"] for method in config["methods"]) or "none",
        "stream": config["stream"]["name"],
        **{name: config[name] for name in ("seed", "n_envs", "world_backend", "total_steps")},
        **config[agent],
    }
    plain = {
        name: value if isinstance(value, (bool, int, float, str)) else str(value)
        for name, value in flat.items()
    }
    return summary.hparams(plain, dict.fromkeys(_METRICS, 0.0))


def layout(tags: Iterable[str]) -> Any:
    """Return the charts of TensorBoard's page of custom scalars.

    Args:
        tags: those of the run's own curves.

    Example:
        >>> layout(["plasticity/actor/weight_norm"]).value[0].tag
        'custom_scalars__config__'
    """
    known = list(tags)
    knobs = [tag for tag in known if tag.startswith("stream/") and tag not in _NO_KNOBS]
    charts = {_title(tag): _chart(_pattern(tag)) for tag in known if tag.startswith("plasticity/")}
    return summary.custom_scalars(
        {
            "return with context": {
                "return": _chart("rollout/ep_rew_mean", "continual/return", "continual/return_min"),
                **{tag.removeprefix("stream/"): _chart(tag) for tag in knobs},
                "segment": _chart("stream/segment", "detection/changes"),
            },
            "plasticity": charts,
            "tasks": {
                "return": _chart("eval/.*/return"),
                "lowest return": _chart("eval/.*/return_min"),
                "success": _chart("eval/.*/success"),
            },
            "forgetting": {"fall from the best return": _chart("eval/.*/forgetting")},
        }
    )


_NO_KNOBS = ("stream/segment", "stream/steps_since_change", "stream/copies_differ")


def _title(tag: str) -> str:
    """Return which measure of plasticity a tag is of, and whether of single layers."""
    _, *owner, measure = tag.split("/")
    return f"{measure} by layer" if len(owner) > 1 else measure


def _pattern(tag: str) -> str:
    """Return what finds a measure of plasticity in all networks, or in all layers."""
    _, *owner, measure = tag.split("/")
    return "/".join(["plasticity", *["[^/]*"] * len(owner), measure])


def _chart(*tags: str) -> list[Any]:
    # Tags are patterns, which would also be found at the beginning of longer ones.
    return ["Multiline", [f"^{tag}$" for tag in tags]]


def histograms(parameters: Iterable[tuple[str, Tensor]]) -> Any:
    """Return a histogram of each matrix of weights.

    Args:
        parameters: by name; biases are left out.
    """
    return Summary(value=list(_histograms(parameters)))


def _histograms(parameters: Iterable[tuple[str, Tensor]]) -> Iterator[Any]:
    for name, parameter in parameters:
        if parameter.ndim < 2:
            continue
        flat = parameter.detach().flatten()
        values = flat[:: -(-flat.numel() // MOST_WEIGHTS)].double().cpu().numpy()
        counts, edges = np.histogram(values, _BINS)
        yield from summary.histogram_raw(
            f"weights/{name}",
            min=float(values.min()),
            max=float(values.max()),
            num=len(values),
            sum=float(values.sum()),
            sum_squares=float(np.square(values).sum()),
            bucket_limits=edges[1:].tolist(),
            bucket_counts=counts.tolist(),
        ).value


def picture(tag: str, figure: Figure) -> Any:
    """Return a figure as TensorBoard's pictures are.

    Args:
        tag: its tag.
        figure: of matplotlib.
    """
    file = io.BytesIO()
    figure.savefig(file, format="png")
    png = file.getvalue()
    width, height = struct.unpack(">II", png[16:24])
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
    return Summary(value=[Summary.Value(tag=tag, image=image)])


def _stream_figure(stream: Stream, settings: RunSettings) -> Figure | None:
    from ..evaluation.stream_figures import stream_figure
    from .streams import tracks_of
    from .timelines import timelines

    lines = timelines(stream, settings.total_steps, settings.seed, settings.n_envs)
    if not lines:
        return None
    return stream_figure(f"{stream.name}, seed {settings.seed}", tracks_of(lines))
