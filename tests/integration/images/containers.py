"""Builds a Dockerfile and starts what came out, without Docker: buildah builds, and a chroot in a mount namespace runs.

The base is Debian with Python, made by mmdebstrap in place of the default of `ARG BASE_IMAGE`.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STAND_IN = "localhost/stand-in"
TOOLS = ("buildah", "mmdebstrap", "unshare", "chroot")
_PACKAGES = "python3,python3-pip,ca-certificates"
_LONGEST_BUILD_S = 1200
_CERTIFICATES = Path("/etc/ssl/certs")
# What `docker run --read-only` does: the image cannot be written; /tmp, /proc and /dev, with its /dev/shm, are there.
_ENTER = """
mount --bind "$0" "$0"
[ "$1" = rw ] || mount -o remount,ro,bind "$0"
[ -z "$2" ] || mount --bind "$2" "$0/$3"
mount -t tmpfs tmpfs "$0/tmp"
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
root=$0 user=$4 folder=$5
shift 5
exec chroot --userspec="$user" "$root" env -i -C "$folder" "$@"
"""


def missing() -> str:
    """Why images cannot be built here, or nothing."""
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        return f"no {', no '.join(absent)}: images are neither built nor started; apt-get install buildah mmdebstrap"
    return "" if os.geteuid() == 0 else "not root: images are neither built nor started; chroots and mounts need it"


class Images:
    """Images of one store, which is a folder.

    Args:
        folder: receives some gigabytes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._buildah = ["buildah", "--root", str(folder / "root"), "--runroot", str(folder / "run")]

    def make_stand_in(self) -> None:
        """Debian bookworm, whose Python is 3.11 as in the base that the Dockerfiles name."""
        context = self._folder / "base"
        context.mkdir()
        _run(
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={_PACKAGES}",
            "bookworm",
            str(context / "base.tar"),
        )
        # Debian's pip leaves the system's packages alone; the base that this stands for has no such rule.
        (context / "Dockerfile").write_text(
            "FROM scratch\nADD base.tar /\nRUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED\n"
        )
        _run(*self._buildah, "build", "--format", "docker", "--isolation", "chroot", "-t", STAND_IN, str(context))

    def build(self, dockerfile: Path, context: Path) -> "Image":
        """Run every instruction of the Dockerfile over the stand-in, and open the result."""
        name = f"localhost/{dockerfile.parent.name}"
        argv = ["build", "--format", "docker", "--isolation", "chroot", "--pull-never", "-t", name, *self._mounts()]
        ignored = dockerfile.with_name("Dockerfile.dockerignore")
        argv += ["--ignorefile", str(ignored)] if ignored.exists() else []
        _run(*self._buildah, *argv, "--build-arg", f"BASE_IMAGE={STAND_IN}", "-f", str(dockerfile), str(context))
        container = _run(*self._buildah, "from", "--pull-never", name)
        config = json.loads(_run(*self._buildah, "inspect", container))["Docker"]["config"]
        return Image(Path(_run(*self._buildah, "mount", container)), config)

    def remove(self) -> None:
        _run(*self._buildah, "umount", "--all")
        _run(*self._buildah, "rm", "--all")

    def _mounts(self) -> list[str]:
        """This machine's certificates and pip's settings, so that RUN reaches the index that the machine reaches."""
        settings = self._folder / "pip.conf"
        certificate, links = os.environ.get("PIP_CERT", ""), os.environ.get("PIP_FIND_LINKS", "")
        lines = [
            "[global]",
            *([f"cert = {certificate}"] if certificate else []),
            *([f"find-links = {links}"] if links else []),
        ]
        settings.write_text("\n".join(lines) + "\n")
        shared = [_CERTIFICATES, *([Path(links)] if links and Path(links).is_dir() else [])]
        given = [f"{settings}:/etc/pip.conf:ro", *(f"{each}:{each}:ro" for each in shared)]
        return [word for each in given for word in ("--volume", each)]


class Image:
    """A built image and its config, as Docker's image specification names the fields."""

    def __init__(self, files: Path, config: dict[str, Any]) -> None:
        self.files = files
        self.config = config

    @contextmanager
    def started(
        self,
        environment: Mapping[str, str],
        *arguments: str,
        read_only: bool = False,
        mount: tuple[Path, str] | None = None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Its own entry point as its own user with its own environment, and what the caller adds.

        Args:
            arguments: in place of its CMD, if there are any.
            read_only: nothing of the image can be written, as under ReadonlyRootFilesystem.
            mount: a folder of this machine, and where it appears.
        """
        source, target = mount or (Path(), "")
        if mount:
            (self.files / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        user = self.config["User"] or "0"
        variables = {**dict(each.split("=", 1) for each in self.config["Env"]), **environment}
        argv = ["unshare", "--mount", "sh", "-ec", _ENTER, str(self.files), "ro" if read_only else "rw"]
        argv += [str(source) if mount else "", target, f"{user}:{user}", self.config["WorkingDir"]]
        argv += [f"{name}={value}" for name, value in variables.items()]
        argv += [*self.config["Entrypoint"], *(arguments or self.config["Cmd"])]
        with subprocess.Popen(argv) as process:
            try:
                yield process
            finally:
                process.kill()


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_LONGEST_BUILD_S, check=False)
    assert done.returncode == 0, f"{' '.join(argv[:6])} … ended with {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout.strip()
