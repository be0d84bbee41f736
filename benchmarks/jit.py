"""numba's compiler, whose cache holds what was made of the very sources that are here.

numba asks whether the file of a function has changed, not those of the functions that it calls (its manual, "Notes on
Caching"): after a change of the rules of Go, a search compiled before would go on by the old ones.
"""

from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile

from numba import config, njit

from benchmarks.paths import ROOT

PACKAGES = ("datamodules", "lightning_modules", "results")


def _sources() -> str:
    """A digest of all files that have functions compiled."""
    texts = (path.read_bytes() for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return sha256(b"".join(text for text in texts if b"benchmarks.jit" in text)).hexdigest()[:16]


def _writable(folder: Path) -> bool:
    """Whether a cache can be kept there; else numba would take other folders, where nothing tells sources apart."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


_folder = Path(config.CACHE_DIR or ROOT / "__pycache__") / f"numba-{_sources()}"  # type: ignore[attr-defined]
config.CACHE_DIR = str(_folder)  # type: ignore[attr-defined]  # numba sets it by its name

jit = njit(cache=_writable(_folder), nogil=True)
"""Compiles a function for the types that it is first called with; what it calls must be compiled by this one too."""
