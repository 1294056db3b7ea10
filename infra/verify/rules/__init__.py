"""Rules of our own, for what no checker asks: each is a name, the sentence that it holds, and its source."""

from infra.verify.findings import OWN, Finding
from infra.verify.rules import compute, events, identity, machines, network, shape, storage
from infra.verify.rules.registry import RULES, Fault
from infra.verify.subjects import Subjects

_PARTS = (compute, events, identity, machines, network, shape, storage)  # importing them registers their rules


def own_findings(subjects: Subjects) -> list[Finding]:
    """What the rules find, the planted faults included; a rule that missed its own plant is a finding as well."""
    found = [
        Finding(OWN, rule.name, fault.place, f"{rule.sentence}; {fault.reason}")
        for rule in RULES.values()
        for fault in rule.check(subjects)
    ]
    caught = {each.rule for each in found if each.resource.startswith("planted")}
    return found + [
        Finding(OWN, "missed-its-plant", name, "reported nothing for infra/verify/plants")
        for name in sorted(set(RULES) - caught)
    ]


__all__ = ["RULES", "Fault", "own_findings"]
