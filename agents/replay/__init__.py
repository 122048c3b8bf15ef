"""What an off-policy agent keeps, how often it learns from it, and methods that set this.

Buffers: `buffers` (a ring), `reservoir`, `per_task`, and what they stand on (`tables`, many
`table`s; `arrays` in memory or in a file). Data of others: `sources` finds them, `sets` reads
minari's, `earlier` those of runs, in `transitions`, whose rows lie where they are (`pieces`);
`mixed` draws from several. `lean_state` and `growing` are for checkpoints.
"""

from .adaptive_replay_ratio import AdaptiveReplayRatio
from .causality_aware_entropy import CausalityAwareEntropy
from .warm_start import WarmStart

__all__ = ["AdaptiveReplayRatio", "CausalityAwareEntropy", "WarmStart"]
