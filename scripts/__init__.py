"""The doors: one thin training script an agent."""
