"""All of it."""

from tests.corpus.hostile.drops import MANIFESTS, NAMES, PLACES, TARBALLS
from tests.corpus.hostile.headers import HEADERS, SHARDS
from tests.corpus.hostile.texts import DOCUMENTS, TEMPLATES, TOKENIZERS

HOSTILE = (*NAMES, *HEADERS, *SHARDS, *DOCUMENTS, *TOKENIZERS, *TEMPLATES, *TARBALLS, *MANIFESTS, *PLACES)
