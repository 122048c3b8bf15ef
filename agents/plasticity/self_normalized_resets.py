"""Self-Normalized Resets: a unit that is silent for longer than it ever used to be is renewed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from ..layers import Part, Units
from ..method import Method
from .units import Law, recycle_units, require_units


@final
@dataclass(eq=False, repr=False)
class SelfNormalizedResets(Method):
    """SNR (Farias and Jozefiak, "Self-Normalized Resets for plasticity in continual learning").

    ICLR 2025. A unit fires at a gradient step if its output is above `threshold` for any example
    of the minibatch (the published code, whose ages grow by the batch size, has the same clock);
    PPO's steps on the same rollout count as all others. Each unit keeps the lengths of its
    silences, that is of the steps between two at which it fires, 0 included, and before the first:
    its record. A silence as long as the present one has the p-value of `silence_p_value`; where
    that is at most `rejection_percentile`, the unit is reset after the step: incoming weights are
    drawn anew, the bias is 0, outgoing weights are 0, the optimizer forgets both, its step count
    included, and target networks follow by Polyak averaging. Output units are never reset.

    The p-value needs a record of 1 / `rejection_percentile` - 1 silences before it can reject,
    which keeps new units safe. A silence of `longest_silence` always resets, so that units which
    died before that, or never fired, come back too: choose it above the silences of units that
    are meant to be rare.

    The published code (ajozefiak/SelfNormalizedResets) differs: it leaves silences of length 0 out
    of the record, compares with a quantile of it, which a silence need only reach and which is
    computed anew every so many tasks or else grows by a factor, and empties the records then; Adam
    keeps its step count. A new unit keeps the record of its predecessor there, see
    `inherit_record`.

    It is meant for ReLU. Where outputs are never exactly 0, such as tanh's, a unit is silent while
    it is on the negative side of `threshold` for the whole minibatch: one that is stuck at -1 is
    found, one stuck at +1 never.

    It keeps `longest_silence` + 1 counts of 4 bytes for each unit; each step reads and writes one
    of them, and all but the writing is compiled into the update where that is compiled.

    Example:
        >>> SelfNormalizedResets(rejection_percentile=0.05).longest_silence
        1000
        >>> SelfNormalizedResets(rejection_percentile=1.0)
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: self-normalized-resets setting \
'rejection_percentile' must be 0 or more and less than 1, not 1.0
    """

    name: ClassVar[str] = "self-normalized-resets"
    needs_features: ClassVar[bool] = True

    rejection_percentile: float = 0.01
    """P-value up to which a silence resets a unit; 0 switches all resets off (published code: the
    99th percentile)."""

    threshold: float = 0.0
    """Output above which a unit fires (published code: 0, for ReLU)."""

    shortest_silence: int = 1
    """Gradient steps of silence below which a unit is safe (published code: one minibatch)."""

    longest_silence: int = 1000
    """Gradient steps of silence at which a unit is reset whatever its record (ours; the published
    code's tau_max, over the batch size)."""

    inherit_record: bool = False
    """Whether a new unit keeps its predecessor's record, with the silence that ended it as one
    more (published code: yes)."""

    initializer: Law = "network"
    """Law of the new incoming weights; "network" is the network's own (published code)."""

    reset_optimizer: bool = True
    """Whether the optimizer forgets the weights of units that were reset (published code: yes)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        level = self.rejection_percentile
        self.require("rejection_percentile", 0 <= level < 1, "0 or more and less than 1")
        self.require("longest_silence", self.longest_silence >= 1, "1 or more")
        least, most = self.shortest_silence, self.longest_silence
        self.require("shortest_silence", 1 <= least <= most, "from 1 to longest_silence")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin all records.

        Raises:
            SettingsError: there is no hidden layer of linear units.
        """
        require_units(self.name, parts)
        self.generator = torch.Generator().manual_seed(seed)
        records = {part.name: _Record(part, self.longest_silence) for part in parts}
        self.records = nn.ModuleDict(records)
        # The same without the detour over modules, which each step would feel.
        self._records = records

    def observe(self, name: str, layers: Sequence[Units]) -> None:
        """Count who fires and who is silent, and find who is to be reset."""
        if self.rejection_percentile == 0 or not layers:
            return
        record = self._records[name]
        fires = [(units.features > self.threshold).any(dim=0) for units in layers]
        record.count(torch.cat(fires))
        rejected = silence_p_value(record.n_longer, record.n_silences) <= self.rejection_percentile
        silence = record.silence
        due = (rejected & (silence >= self.shortest_silence)) | (silence >= self.longest_silence)
        record.due.copy_(due)

    def after_step(self, part: Part) -> None:
        """Reset the units that are silent for too long."""
        if self.rejection_percentile == 0:
            return
        if not part.observed:
            self.observe(part.name, part.units())
        record = self._records[part.name]
        record.write()
        if not bool(record.due.any()):
            return
        masks = record.due.split([layer.width for layer in part.hidden])
        # Only where the network's own law is meant, so that others draw nothing else.
        seed = 0
        if self.initializer == "network":
            seed = int(torch.randint(2**62, (), generator=self.generator))
        recycle_units(part, masks, self.initializer, seed, self.generator, self.reset_optimizer)
        record.begin_anew(self.inherit_record)

    def after_iteration(self) -> dict[str, float]:
        """Return the number of units reset so far in each part."""
        return {
            f"plasticity/{name}/replaced_units": float(record.replaced.item())
            for name, record in self._records.items()
        }


def silence_p_value(n_longer: Tensor, n_silences: Tensor) -> Tensor:
    """Return how probable a silence as long as the present one is, by a unit's record.

    (1 + n_longer) / (1 + n_silences) counts the present silence among the others, so that a unit
    that did not change is rejected at a level at most with the level's probability, however short
    its record (Davison and Hinkley, "Bootstrap methods and their application" (1997), section
    4.2). For long records it is the paper's probability that an inter-firing time is at least as
    long as the present one.

    Args:
        n_longer: silences in each unit's record that are at least as long as the present one.
        n_silences: silences in its record.

    Example:
        >>> silence_p_value(torch.tensor([49, 4, 0]), torch.tensor([49, 49, 49]))
        tensor([1.0000, 0.1000, 0.0200])
    """
    return (1 + n_longer) / (1 + n_silences)


@final
class _Record(nn.Module):
    """The silences of all hidden units of a network, from the input to the output."""

    silence: Tensor
    lengths: Tensor
    n_silences: Tensor
    n_longer: Tensor
    ended: Tensor
    before: Tensor
    due: Tensor
    replaced: Tensor

    def __init__(self, part: Part, longest: int) -> None:
        super().__init__()
        n_units, weight = sum(layer.width for layer in part.hidden), part.parameters[0]

        def make(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=weight.device)

        self.register_buffer("silence", make((n_units,), torch.int64))
        self.register_buffer("lengths", make((n_units, longest + 1), torch.int32))
        self.register_buffer("n_silences", make((n_units,), torch.int32))
        self.register_buffer("n_longer", make((n_units,), torch.int32))
        self.register_buffer("ended", make((n_units,), torch.int32), persistent=False)
        self.register_buffer("before", make((n_units,), torch.int64), persistent=False)
        self.register_buffer("due", make((n_units,), torch.bool), persistent=False)
        self.register_buffer("replaced", make((), torch.int64))

    def count(self, fires: Tensor) -> None:
        # What is as long as the present silence is shorter than the next step's: with that, the
        # longer ones are known without a sum over the record.
        as_long = self.lengths.gather(1, self.silence.unsqueeze(1)).squeeze(1)
        self.ended.copy_(fires)
        self.before.copy_(self.silence)
        self.n_silences.add_(self.ended)
        self.n_longer.copy_(torch.where(fires, self.n_silences, self.n_longer - as_long))
        self.silence.copy_(torch.where(fires, 0, self.silence + 1))

    def write(self) -> None:
        """Add the silences that have just ended: a compiled update would copy all lengths."""
        self.lengths.scatter_add_(1, self.before.unsqueeze(1), self.ended.unsqueeze(1))

    def begin_anew(self, inherit: bool) -> None:
        """Let the units that are due begin as new ones."""
        due = self.due
        if inherit:
            self.lengths[due, self.silence[due]] += 1
            self.n_silences[due] += 1
        else:
            self.lengths[due] = 0
            self.n_silences[due] = 0
        self.silence[due] = 0
        self.n_longer[due] = self.n_silences[due]
        self.replaced += due.sum()
