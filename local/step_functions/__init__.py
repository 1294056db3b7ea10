"""What Step Functions checks before a machine runs."""
