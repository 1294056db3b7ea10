"""The control plane: what each operation demands of its request and changes in the account."""
