"""Data -> runs/<name>/model.keras."""
