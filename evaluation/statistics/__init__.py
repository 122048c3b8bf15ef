"""What a few runs allow to say.

Scores are arrays of shape (runs, tasks), normalised so that tasks compare. A run is one lifetime:
its tasks depend on one another, so that whole runs are resampled. A score that is missing makes NaN
of what depends on it; nothing is left out silently. Most of it is Agarwal et al., "Deep
reinforcement learning at the edge of the statistical precipice" (NeurIPS 2021), equal to rliable.
"""
