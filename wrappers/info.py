"""The names under which a changing world tells the truth about itself in `info`.

They describe the world at the clock of the observation that comes with them: the context in which
the *next* action will be carried out.
"""

CONTEXT = "context"
"""Mapping from each knob's name to its value."""

SEGMENT = "segment"
"""Number of changes that have landed since the stream began: 0 before the first."""

STEPS_SINCE_CHANGE = "steps_since_change"
"""Global environment steps since the current segment began: 0 at a change."""

CHANGED = "changed"
"""True on the first observation under a new context."""

BOUNDARY = "boundary"
"""Like `CHANGED`, but present only where the stream tells its learner about changes."""

DETECTED = "detected"
"""True where the agent itself has noticed a change: no truth, and in the first copy's info."""

TRIAL = "trial"
"""What `info["episode"]` told of each episode of a trial, at the end of its last: no truth."""

TRUTH = (CONTEXT, SEGMENT, STEPS_SINCE_CHANGE, CHANGED, BOUNDARY)
"""All of them."""
