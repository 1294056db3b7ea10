"""Releases in virtual time: the real flows and the real machines over an AWS in memory that fails as AWS fails.

Everything that happens follows from one seed, so that a failure can be told again, step by step.
"""
