"""Checker of Dockerfiles."""

from pathlib import Path

from infra.verify.findings import Finding
from infra.verify.running import answer, environment
from infra.verify.subjects import Subjects


def hadolint(subjects: Subjects, _folder: Path) -> list[Finding]:
    """Hadolint, ShellCheck's rules for RUN lines included."""
    names = {str(path): name for name, path in subjects.dockerfiles.items()}
    argv: list[str | Path] = [environment(".venv-hadolint", "hadolint"), "--format", "json", *names]
    return [Finding("hadolint", each["code"], names[each["file"]], each["message"]) for each in answer(argv)]
