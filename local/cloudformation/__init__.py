"""Stacks on moto: what it leaves out of create, update and delete, and the resource types that it skips."""
