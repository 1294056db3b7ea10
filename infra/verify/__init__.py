"""Proves the templates, the machines and the Dockerfiles without an account: `make verify-infra`."""
