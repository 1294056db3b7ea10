"""Making artifacts."""
