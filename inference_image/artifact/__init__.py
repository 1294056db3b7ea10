"""Reading the model folder without trusting it."""
