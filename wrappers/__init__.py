"""How a world changes: schedules, value laws, knobs, and the wrappers that apply them."""
