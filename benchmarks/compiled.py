"""numba's compiler, whose cache holds what was made of the very sources that are here.

numba asks whether the file of a function has changed, not those of the functions that it calls (its manual, "Notes on
Caching"): after a change of the rules of Go, a search compiled before would go on by the old ones.
"""

from hashlib import sha256
from pathlib import Path

from numba import config, njit

from benchmarks.paths import ROOT

PACKAGES = ("datamodules", "lightning_modules", "results")


def _sources() -> str:
    """A digest of all files that have functions compiled."""
    texts = (path.read_bytes() for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return sha256(b"".join(text for text in texts if b"import compiled\n" in text)).hexdigest()[:16]


_folder = Path(config.CACHE_DIR or ROOT / "__pycache__")  # type: ignore[attr-defined]  # numba sets it by its name
config.CACHE_DIR = str(_folder / f"numba-{_sources()}")  # type: ignore[attr-defined]

compiled = njit(cache=True, nogil=True)
"""Compiles a function for the types that it is first called with; what it calls must be compiled by this one too."""
