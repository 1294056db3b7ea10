"""Names, tarballs, manifests and places that must be refused."""

import gzip
import io
import tarfile
from collections.abc import Callable

from tests.builders.artifacts import artifact, tarball
from tests.corpus.hostile.case import Hostile, drop, with_config


def _named(path: str, body: bytes = b"{}") -> dict[str, bytes]:
    return drop(**{path: body})


NAMES = (
    Hostile("a pickle", "pytorch_model.bin may be a pickle", _named("pytorch_model.bin", b"\x80\x04.")),
    Hostile("a pickle in a folder, in capitals", "deep/er/model.PT may be a pickle", _named("deep/er/model.PT")),
    Hostile("a numpy pickle", "bias.npy may be a pickle", _named("bias.npy")),
    Hostile("a Keras file, which may hold a lambda", "model.h5 may be a pickle", _named("model.h5")),
    Hostile("a module", "modeling_evil.py is code", _named("modeling_evil.py")),
    Hostile("a compiled module", "kernel.so is code", _named("kernel.so")),
    Hostile("a script", "run.sh is code", _named("run.sh")),
    Hostile("a kind that nobody reads", "model.gguf is of no kind that an artifact may hold", _named("model.gguf")),
    Hostile("a path on the way up", "deep/../../x.json has an empty, '.' or '..' part", _named("deep/../../x.json")),
    Hostile("an empty part", "deep//x.json has an empty, '.' or '..' part", _named("deep//x.json")),
    Hostile("a folder of the S3 console", "deep/ is an empty folder object", _named("deep/", b"")),
    Hostile("a name that ends a line", "has a character in its name", _named("x\n.json")),
    Hostile("a name that reads backwards", "has a character in its name", _named("x\u202enosj.json")),
    Hostile("a name with a backslash", "has a character in its name", _named("x\\y.json")),
    Hostile("a path of 256 bytes", "has a path of 256 bytes, the limit is 255", _named("x" * 251 + ".json")),
    Hostile("a file that is a folder", "deep is both a file and a folder", _named("deep") | _named("deep/x.json")),
    Hostile("an empty file", "README.md is empty", _named("README.md", b"")),
    Hostile(
        "more files than anybody serves",
        "the artifact has 1005 files, the limit is 1000",
        drop(**{f"{number}.txt": b"x" for number in range(1001)}),
    ),
)


def _packed(add: Callable[[tarfile.TarFile], None], kind: int = tarfile.PAX_FORMAT) -> bytes:
    """A sound artifact, and what `add` puts behind it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=kind) as archive:
        for path, body in artifact().items():
            entry = tarfile.TarInfo(path)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
        add(archive)
    return packed.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Callable[[tarfile.TarFile], None]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return lambda archive: archive.addfile(entry, io.BytesIO())


def _folders(archive: tarfile.TarFile) -> None:
    for number in range(2001):
        _member(f"{number}", tarfile.DIRTYPE)(archive)


def _long_name(archive: tarfile.TarFile) -> None:
    """One header of 20 MB; it packs into 20 kB."""
    entry = tarfile.TarInfo("x.txt")
    entry.pax_headers = {"comment": "x" * 20_000_000}
    archive.addfile(entry)


def _lying_header() -> bytes:
    """A member of 2**60 bytes that is not there."""
    entry = tarfile.TarInfo("model.safetensors")
    entry.size = 2**60
    return gzip.compress(entry.tobuf(tarfile.GNU_FORMAT))


SOUND = tarball(artifact())

TARBALLS = (
    Hostile(
        "a symbolic link",
        "evil.json in models/chat/v1/model.tar.gz is a link or a device",
        tarball=_packed(_member("evil.json", tarfile.SYMTYPE, "/etc/passwd")),
    ),
    Hostile(
        "a hard link",
        "evil.json in models/chat/v1/model.tar.gz is a link or a device",
        tarball=_packed(_member("evil.json", tarfile.LNKTYPE, "config.json")),
    ),
    Hostile(
        "a device",
        "zero.json in models/chat/v1/model.tar.gz is a link or a device",
        tarball=_packed(_member("zero.json", tarfile.CHRTYPE)),
    ),
    Hostile(
        "a pipe",
        "pipe.json in models/chat/v1/model.tar.gz is a link or a device",
        tarball=_packed(_member("pipe.json", tarfile.FIFOTYPE)),
    ),
    Hostile(
        "a member at the root",
        "/etc/x.json in models/chat/v1/model.tar.gz points out of the tarball",
        tarball=_packed(_member("/etc/x.json")),
    ),
    Hostile(
        "a member on the way up",
        "../x.json in models/chat/v1/model.tar.gz points out of the tarball",
        tarball=_packed(_member("../x.json")),
    ),
    Hostile(
        "a folder on the way up",
        "../x in models/chat/v1/model.tar.gz points out of the tarball",
        tarball=_packed(_member("../x", tarfile.DIRTYPE)),
    ),
    Hostile(
        "a sparse member",
        "x.txt in models/chat/v1/model.tar.gz is a sparse file",
        tarball=_packed(_member("x.txt", tarfile.GNUTYPE_SPARSE), tarfile.GNU_FORMAT),
    ),
    Hostile("a member that lies twice", "config.json lies twice", tarball=_packed(_member("config.json"))),
    Hostile("a header of 20 MB", "holds more than 16777216 bytes that belong to no file", tarball=_packed(_long_name)),
    Hostile(
        "zeros behind the end",
        "holds more than 16777216 bytes that belong to no file",
        tarball=SOUND + gzip.compress(bytes(20_000_000)),
    ),
    Hostile("a member larger than any disk", "unpacks to more than 64000000000 bytes", tarball=_lying_header()),
    Hostile("members without end", "holds more than 2000 members", tarball=_packed(_folders)),
    Hostile("a tarball that ends early", "is not a readable gzipped tarball", tarball=SOUND[:-40]),
    Hostile(
        "a tarball with a wrong checksum",
        "is not a readable gzipped tarball",
        tarball=SOUND[:-8] + bytes(4) + SOUND[-4:],
    ),
    Hostile("a tarball that is none", "is not a readable gzipped tarball", tarball=b"PK\x03\x04"),
    Hostile(
        "a tarball with a pickle",
        "weights.bin may be a pickle",
        tarball=tarball(artifact() | {"weights.bin": b"\x80\x04."}),
    ),
    Hostile(
        "a tarball with its own seal",
        "manifest.json is listed as one of the files",
        tarball=tarball(artifact() | {"manifest.json": b"{}"}),
    ),
)

_ENTRY = {"path": "config.json", "sizeBytes": 1, "sha256": "0" * 64}

MANIFESTS = (
    Hostile("a manifest with a file twice", "lists config.json twice", manifest={"files": [_ENTRY, _ENTRY]}),
    Hostile(
        "a manifest that climbs",
        "deep/../x.json has an empty, '.' or '..' part",
        manifest={"files": [_ENTRY | {"path": "deep/../x.json"}]},
    ),
    Hostile("a manifest that lies about a size", "manifest.json says 1; upload it again", manifest={"files": [_ENTRY]}),
    Hostile(
        "a manifest that lies about a CRC",
        "manifest.json says AAAAAA==",
        manifest={"files": [_ENTRY | {"sizeBytes": len(artifact()["config.json"]), "crc32": "AAAAAA=="}]},
    ),
    Hostile(
        "a manifest that sets a loader",
        "manifest.json cannot be used",
        manifest={"config": {"environment": {"LD_PRELOAD": "x"}}},
    ),
)

PLACES = (
    Hostile(
        "an instance that nobody knows",
        "the memory of ml.x99.large is not known",
        config={"instanceTypes": ["ml.x99.large"]},
    ),
    Hostile(
        "an instance without an image",
        "ml.inf2.xlarge computes on AWS Inferentia2, for which there is no image",
        config={"instanceTypes": ["ml.g5.xlarge", "ml.inf2.xlarge"]},
    ),
    Hostile(
        "more answers than fit",
        "9999 requests with answers of 999999 tokens need 9998990001",
        with_config(max_position_embeddings=9_999_999),
        config={
            "instanceTypes": ["ml.t2.medium"],
            "environment": {"SLIPWAY_MAX_CONCURRENCY": "9999", "SLIPWAY_MAX_NEW_TOKENS": "999999"},
        },
    ),
    Hostile(
        "a context longer than memory",
        "and one request may have 100000000; lower SLIPWAY_MAX_MODEL_LEN",
        with_config(max_position_embeddings=100_000_000),
        config={"instanceTypes": ["ml.t2.medium"]},
    ),
)
