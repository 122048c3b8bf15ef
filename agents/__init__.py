"""Who learns: agents on stable-baselines3, and the methods that keep them learning."""
