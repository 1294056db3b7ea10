"""Deployments: how a policy moves traffic from one fleet to the next, and what brings it back."""
