"""Many runs: which there are, what runs them, and how far they have come."""
