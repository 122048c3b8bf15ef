"""What an off-policy agent keeps, and how often it learns from it."""
