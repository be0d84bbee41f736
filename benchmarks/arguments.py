"""What the user typed, checked before torch is imported: names, numbers, paths and profiles."""

from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.claim import DEFAULT, Claim
from benchmarks.config import Settings, merge, parse_overrides
from benchmarks.errors import UserError, nearest
from benchmarks.miniature import ensure_miniature
from benchmarks.modules import layouts, needs_data
from benchmarks.paths import benchmark_folder, benchmarks
from benchmarks.runs import announce, externally_launched
from benchmarks.schema import Profile
from benchmarks.strict import load_claim
from results.scoring.rows import whole_number

LARGEST_SEED = 2**32 - 1
MOST = 10**6  # devices or nodes; who writes more has slipped
PATHS = ("data", "pack", "checkpoint", "predictions", "forecast")  # the options that are


@dataclass(frozen=True)
class Request:
    """A command on one benchmark, checked."""

    benchmark: str
    claim: Claim
    profile: Profile
    reason: str
    data: str | None
    variants: tuple[str | None, ...]
    overrides: Settings


def located(options: Namespace) -> Namespace:
    """The command line with every path in it absolute and its `~` expanded, so that all commands mean the same by one.

    Raises:
        UserError: one is empty or no UTF-8, or the system does not even look for a file of that name.
    """
    given = {name: text for name in PATHS if (text := getattr(options, name, None)) is not None}
    return Namespace(**vars(options) | {name: _located(name.upper(), text) for name, text in given.items()})


def _located(name: str, text: str) -> str:
    if not text:
        raise UserError(f"{name} is empty. Give a path, or leave {name} out.")
    if name != "DATA" or not text.startswith("hf:"):
        return str(_absolute(name, text))
    if not text.removeprefix("hf:").strip("/ "):
        raise UserError(f"DATA={text} names no data set. Write hf:<name>, such as hf:stanfordnlp/imdb.")
    return text


def _absolute(name: str, text: str) -> Path:
    try:
        path = Path(text).expanduser().absolute()
        with suppress(FileNotFoundError, NotADirectoryError):  # each command says itself what it misses there
            path.stat()
        str(path).encode()
    except RuntimeError:
        raise UserError(f"{name}={text:.80}: there is no such user. Write the path without ~.") from None
    except UnicodeEncodeError:
        raise UserError(
            f"{name}={text!a:.80} is no UTF-8, as names in records are. Rename it, or link to it."
        ) from None
    except OSError as error:
        raise UserError(f"{name}={text:.80}: {error.strerror}. Give another path.") from None
    return path


def known_benchmark(name: str) -> str:
    """The name, if there is such a benchmark.

    Raises:
        UserError: there is none; the nearest name is offered.
    """
    names = benchmarks()
    if name in names:
        return name
    raise UserError(f"there is no benchmark {name!r}. {nearest(name, names)}Known: {', '.join(names)}.")


def request(name: str, options: Namespace, otherwise: tuple[Profile, str] | None = None) -> Request:
    """Checks what was asked of one benchmark.

    Args:
        name: of the benchmark.
        options: the parsed command line.
        otherwise: the profile where PROFILE is not given, and why; by default it follows from DATA.

    Raises:
        UserError: an option is wrong.
    """
    benchmark = known_benchmark(name)
    claim = load_claim(benchmark)
    if options.data is not None and not needs_data(claim):
        raise UserError(f"{benchmark} needs no data. Leave DATA={options.data} out.")
    chosen, reason = _profile(claim, options, otherwise)
    return Request(
        benchmark, claim.within(chosen), chosen, reason, options.data,
        _variants(benchmark, claim, options.variant, chosen),
        merge(_machine(options), parse_overrides(options.args or "")),
    )  # fmt: skip


def part_of_all(options: Namespace, claim: Claim, data: str | None) -> Namespace:
    """What of options that were given for all benchmarks concerns one, whose data lie there.

    Robots, cars and games need none, and take one process, however many devices there are.
    """
    return Namespace(**vars(options) | {"data": data, "devices": options.devices if needs_data(claim) else None})


def _profile(claim: Claim, options: Namespace, otherwise: tuple[Profile, str] | None) -> tuple[Profile, str]:
    if options.profile not in (None, "full", "mini"):
        raise UserError(f"PROFILE={options.profile} is unknown. It is full (the documented recipe) or mini.")
    if options.profile is not None:
        return options.profile, "as asked by PROFILE"
    if otherwise is not None:
        return otherwise
    if options.data is not None:
        return "full", "because DATA is given (PROFILE=mini would read it with the miniature's config)"
    if not needs_data(claim):
        return "full", "because this benchmark needs no data"
    return "mini", "because no DATA is given (DATA=/path would train the full recipe on the real data)"


def _variants(benchmark: str, claim: Claim, asked: str | None, profile: Profile) -> tuple[str | None, ...]:
    if asked is None:
        return claim.variants[:1] if profile == "mini" else claim.variants
    default: dict[str, str | None] = {DEFAULT: None} if None in claim.variants else {}
    there = sorted(path.stem for path in (benchmark_folder(benchmark) / "variants").glob("*.yaml"))
    known = default | {name: name for name in there if "." not in name}
    if asked not in known:
        raise UserError(f"{benchmark} has no variant {asked!r}. Known: {', '.join(known)}.")
    return (known[asked],)


def _machine(options: Namespace) -> Settings:
    """DEVICES and NODES as settings."""
    trainer: Settings = {}
    if options.devices is not None:
        trainer["devices"] = "auto" if options.devices == "auto" else positive("DEVICES", options.devices)
    if options.nodes is not None:
        trainer["num_nodes"] = positive("NODES", options.nodes)
        if trainer["num_nodes"] > 1 and not externally_launched():
            raise UserError(
                f"NODES={options.nodes} needs torchrun or srun to start the processes of all nodes, or this one would "
                "wait for them for ever. The README shows both commands, under `On a cluster`."
            )
    return {"trainer": trainer} if trainer else {}


def positive(name: str, text: str) -> int:
    """A whole number of at least 1.

    Raises:
        UserError: it is none, or absurdly large.
    """
    try:
        return whole_number(name, text, 1, MOST)
    except ValueError:
        raise UserError(f"{name}={text:.80} is no whole number of at least 1 and at most {MOST:,}.") from None


def seeds(text: str | None, claim: Claim, profile: Profile) -> tuple[int, ...]:
    """SEEDS as numbers; the claim's where nothing is asked, one of them for a miniature.

    Raises:
        UserError: it is no list of integers, or one stands twice.
    """
    if text is None:
        return claim.seeds[:1] if profile == "mini" else claim.seeds
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"SEEDS={text} is no list of integers. Write it as SEEDS=0,1,2.") from None
    if len(set(numbers)) < len(numbers) or min(numbers) < 0 or max(numbers) > LARGEST_SEED:
        raise UserError(f"SEEDS={text}: each seed stands once and is a number from 0 to {LARGEST_SEED}.")
    return numbers


def locate_data(asked: Request, training: bool) -> str | None:
    """The root of the data, checked as far as a look at the folders can; the miniature is written if need be.

    Raises:
        UserError: DATA is missing where it is needed, or holds no known layout.
    """
    if not needs_data(asked.claim):
        return None
    if asked.data is None and asked.profile == "full":
        raise UserError(f"{asked.benchmark}: the full profile needs DATA=/path/to/the/data (or PROFILE=mini).")
    if asked.data is None:
        return str(ensure_miniature(asked.benchmark, asked.claim))
    for note in layouts(asked.claim).check(asked.data, training, asked.profile == "full"):
        announce(f"note: {note}")
    return asked.data


def passed_on(options: Namespace, asked: Request, variant: str | None, data: str | None) -> list[str]:
    """A command's options as those of a child that runs one variant; SEEDS are not among them."""
    values = {
        "profile": asked.profile, "variant": variant or DEFAULT, "data": data, "devices": options.devices,
        "nodes": options.nodes, "args": options.args,
    }  # fmt: skip
    flags = [f"--{name}" for name in ("fresh", "rehearse") if getattr(options, name)]
    return [f"--{name}={value}" for name, value in values.items() if value is not None] + flags


def roots(data: str, benchmark: str | None, names: Sequence[str]) -> dict[str, str]:
    """Where the data of each benchmark lie: in DATA where one is asked for, else in a folder there.

    It has the name of the benchmark, or that of the data set, which several benchmarks may share.

    Raises:
        UserError: there is no such folder of any benchmark that needs data.
    """
    if benchmark is not None:
        return {benchmark: data}
    found: dict[str, str] = {}
    meant: list[str] = []
    for name in names:
        claim = load_claim(name)
        if needs_data(claim):
            meant += [name, claim.dataset]
            there = next((path for each in (name, claim.dataset) if (path := Path(data, each)).is_dir()), None)
            if there is not None:
                found[name] = str(there)
    if not found:
        called = ", ".join(dict.fromkeys(meant))
        raise UserError(f"DATA={data} has no folder called like a benchmark or its data set ({called}).")
    return found
