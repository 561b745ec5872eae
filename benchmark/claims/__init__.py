"""What papers claim of such models, beside what was measured here, and a verdict on each."""
