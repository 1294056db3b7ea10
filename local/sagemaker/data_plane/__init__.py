"""The data plane: a request on its way to an instance and back."""
