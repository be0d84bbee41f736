"""From YAML files and `ARGS` to the settings of one run: pure dictionaries, no torch.

Overlays apply in the order `config.yaml`, `variants/<v>.yaml`, `mini.yaml`, `variants/<v>.mini.yaml`, then `ARGS`.
The typed constructors that the settings name are their only schema (`assembly.py`). Where settings have `stages`, a
name and an overlay each, a run fits them one after the other, and what stands beside `stages` holds for all of them.
`controls` names variants that are trained beside a run and scored as its baselines.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.errors import UserError, nearest
from benchmarks.paths import benchmark_folder, relative
from benchmarks.schema import Profile, short_hash

Settings = dict[str, Any]

SECTIONS = ("trainer", "model", "data")

# What may differ between two runs of one experiment: where it runs, not what is computed.
MACHINE_KEYS = frozenset(
    {
        "data.init_args.root",
        "data.init_args.seed",
        "data.init_args.workers",
        "trainer.accelerator",
        "trainer.accumulate_grad_batches",
        "trainer.devices",
        "trainer.enable_progress_bar",
        "trainer.logger",
        "trainer.num_nodes",
        "trainer.precision",
        "trainer.strategy",
    }
)

PROCESSES = ("accelerator", "devices", "num_nodes", "strategy")  # settings of a Trainer that decide which ones start

REFUSED = re.compile(r"[Oo]ption '([\w.]+)'")
"""A key that no constructor takes, in a message of the typed parser."""

# What a command sets itself, so that an override of it would be lost in silence: key -> how to set it.
OWN_KEYS = {"data.init_args.root": "DATA=/path", "data.init_args.seed": "SEEDS=0"}


class _FileLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # whichever is there
    """Reads a file, several times as fast where PyYAML has libyaml."""


class _ValueLoader(yaml.SafeLoader):
    """Reads one value of ARGS, which has nothing to repeat; one that contains itself would never end."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(problem="a value takes no alias (*)")
        return super().compose_node(parent, index)


# What PyYAML lets through from values that its own patterns or tags promise more of: 2020-13-45, 0x_, !!bool maybe.
NO_YAML = (yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)

# `5e-4` is a number to YAML 1.2 and to the typed parser, to PyYAML alone a string.
for _loader in (_FileLoader, _ValueLoader):
    _loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+"), list("-+.0123456789")
    )


def resolve_settings(benchmark: str, profile: Profile, variant: str | None, overrides: Settings) -> Settings:
    """The settings of one variant and profile of a benchmark, with the user's overrides on top.

    Raises:
        UserError: a file is missing or is no YAML mapping, or a section of the settings is none.
    """
    settings: Settings = {}
    for path in _overlays(benchmark, profile, variant):
        settings = merge(settings, checked(_read(path), relative(path)))
    return overridden(settings, overrides)


def overridden(settings: Settings, overrides: Settings) -> Settings:
    """Settings with the user's overrides on top; those that name no stage overrule every stage."""
    overlays = settings.get("stages", {})
    _require_stages(overlays, overrides.get("stages", {}))
    if not overlays:
        return merge(settings, overrides)
    everywhere = {key: value for key, value in overrides.items() if key not in ("stages", "controls")}
    kept = {name: merge(overlay, everywhere) for name, overlay in overlays.items() if overlay is not None}
    # Of a stage that a variant leaves out, nothing can be overruled.
    asked = {name: each for name, each in overrides.get("stages", {}).items() if overlays[name] is not None}
    return merge(merge(settings, {"stages": kept}), overrides | {"stages": asked})


def _require_stages(overlays: Settings, asked: Settings) -> None:
    """Refuses overrides of stages that are not there, or that would leave nothing to test."""
    if unknown := [name for name in asked if name not in overlays]:
        known = f"Its stages are {', '.join(overlays)}" if overlays else "It has no stages"
        raise UserError(f"ARGS: there is no stage {unknown[0]!r} of this benchmark. {known}.")
    if asked and asked.get(last := [*overlays][-1], overlays[last]) is None:
        raise UserError(f"ARGS: the stage {last} is the one that is tested; it cannot be left out.")


def stages(settings: Settings) -> dict[str, Settings]:
    """Name -> settings of each stage, in order; one without a name where all is one. A stage set to null falls away."""
    alone = {key: value for key, value in settings.items() if key not in ("stages", "controls")}
    overlays = {name: overlay for name, overlay in settings.get("stages", {}).items() if overlay is not None}
    return {name: merge(alone, overlay) for name, overlay in overlays.items()} or {"": alone}


def last_stage(settings: Settings) -> Settings:
    """The settings of the stage that is tested."""
    return [*stages(settings).values()][-1]


def set_where(benchmark: str, profile: Profile, variant: str | None, overrides: Settings, message: str) -> str:
    """Says where keys that the typed parser's message mentions were last set, and what a misspelt one may mean."""
    sources = _sources(benchmark, profile, variant, overrides)
    last_set = {key: where for where, overlay in sources for key in leaves(overlay)}
    places = [(key.rpartition(".")[2], where) for key, where in last_set.items()]
    found = [where for key, where in places if key != "class_path" and re.search(rf"\b{re.escape(key)}\b", message)]
    refused = REFUSED.search(message)
    meant = nearest(refused[1].rpartition(".")[2], [key for key, _ in places]) if refused else ""
    return meant + (f"Look at {' and '.join(dict.fromkeys(found))}." if found else "")


def _sources(
    benchmark: str, profile: Profile, variant: str | None, overrides: Settings
) -> Iterator[tuple[str, Settings]]:
    for path in _overlays(benchmark, profile, variant):
        yield relative(path), _read(path)
    yield "ARGS", overrides


def checked(settings: Settings, where: str) -> Settings:
    """The settings, unless a launcher cannot read them; the typed constructors judge the rest.

    Raises:
        UserError: it cannot.
    """
    for section in (*SECTIONS, "stages"):
        if not isinstance(settings.get(section, {}), Mapping):
            raise UserError(f"{where}: {section} is {settings[section]!r}; it has keys below it, as {section}.<key>.")
    if not isinstance(settings.get("controls", []), list):
        raise UserError(f"{where}: controls is {settings['controls']!r}; it is a list of variants.")
    for name, overlay in settings.get("stages", {}).items():
        if overlay is not None and not isinstance(overlay, Mapping):
            raise UserError(f"{where}: stages.{name} is {overlay!r}; it has keys below it, or is null.")
        checked(dict(overlay or {}), f"{where}, stages.{name}")
    counts = {"threads": settings.get("threads", 1), "devices": settings.get("trainer", {}).get("devices", 1)}
    for key, value in counts.items():
        if value == 0 or (key == "threads" and not isinstance(value, int)):
            raise UserError(f"{where}: {key} is {value!r}; give a whole number of at least 1.")
    return settings


def machine_settings(seed: int, root: str | None) -> Settings:
    """What a run adds to its settings: its seed, and the root of its data where it has some."""
    return {"data": {"init_args": {"seed": seed} | ({} if root is None else {"root": root})}}


def _overlays(benchmark: str, profile: Profile, variant: str | None) -> list[Path]:
    folder = benchmark_folder(benchmark)
    paths = [folder / "config.yaml"]
    if variant is not None:
        paths.append(folder / "variants" / f"{variant}.yaml")
    if profile == "mini":
        paths.append(folder / "mini.yaml")
        small = folder / "variants" / f"{variant}.mini.yaml"
        paths.extend([small] if small.is_file() else [])
    return paths


def parse_yaml(text: str) -> Any:
    """What a file's text holds; raises one of `NO_YAML` where it is no YAML."""
    return yaml.load(text, Loader=_FileLoader)  # noqa: S506 (a safe loader)


def read_yaml(path: Path) -> Any:
    """What a YAML file of a benchmark holds.

    Raises:
        UserError: it is not there, or is no YAML.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"there is no {relative(path)}; README.md lists under `Adding a benchmark` what each benchmark has."
        ) from None
    except (OSError, *NO_YAML) as error:
        raise UserError(f"{relative(path)} cannot be read as YAML: {error}") from None


def _read(path: Path) -> Settings:
    settings = read_yaml(path)
    if not isinstance(settings, dict):
        raise UserError(f"{relative(path)}: expected a mapping of keys such as trainer, model and data.")
    return settings


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> Settings:
    """`overlay` laid over `base`, mapping by mapping; lists and plain values replace.

    Where the overlay names another `class_path`, the arguments of the class it replaces fall away with it.
    """
    if "class_path" in base and overlay.get("class_path", base["class_path"]) != base["class_path"]:
        return dict(overlay)
    merged = dict(base)
    for key, value in overlay.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def parse_overrides(arguments: str) -> Settings:
    """`ARGS` as nested settings: `--trainer.max_epochs 5 --model.init_args.learning_rate=0.1`.

    Raises:
        UserError: an argument is not of that form, a value is no YAML, a key has an option of its own, or a section
            is none.
    """
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise UserError(f"ARGS={arguments!r} cannot be split into words: {error}.") from None
    settings: Settings = {}
    for key, value in _pairs(words):
        nested: Any = _value(key, value)
        for part in reversed(key.split(".")):
            nested = {part: nested}
        settings = merge(settings, nested)
    for key in leaves(checked(settings, "ARGS")):
        if (own := _within_a_stage(key)) in OWN_KEYS:
            raise UserError(f"ARGS: --{key} would be overruled. Set it by {OWN_KEYS[own]}.")
    return settings


def _value(key: str, text: str) -> Any:
    try:
        return yaml.load(text, Loader=_ValueLoader)  # noqa: S506 (a safe loader)
    except NO_YAML as error:
        problem = (str(error) or type(error).__name__).splitlines()[-1].strip()
        raise UserError(f"ARGS: the value {text!r} of --{key} is no YAML ({problem}). Mend it, or quote it.") from None


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    rest = list(words)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.partition("=")
        if not key.startswith("--") or not key[2:] or (not equals and not rest):
            raise UserError(
                f"ARGS: {word!r} is not understood. Give options with their values, "
                'as in ARGS="--trainer.max_epochs 5 --data.init_args.workers=4".'
            )
        yield key[2:], value if equals else rest.pop(0)


def leaves(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value for every leaf of nested mappings; lists and empty mappings below a key are leaves."""
    if not isinstance(settings, Mapping) or (prefix and not settings):
        return {prefix: settings}
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= leaves(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def config_hash(settings: Settings, resolved: Sequence[Settings]) -> str:
    """A hash of what YAML and ARGS set, as the typed parser understood each stage, without machine keys and seed."""
    values: dict[str, Any] = {}
    for (name, of_stage), typed in zip(stages(settings).items(), map(leaves, resolved), strict=True):
        asked = {key: typed.get(key, value) for key, value in leaves(of_stage).items() if key not in MACHINE_KEYS}
        values |= {f"{name}/{key}" if name else key: value for key, value in asked.items()}
    return short_hash(values)


def deviations(benchmark: str, profile: Profile, variant: str | None, settings: Settings) -> tuple[str, ...]:
    """What settings change of the committed protocol, a line each; machine keys are no deviation."""
    committed = leaves(resolve_settings(benchmark, profile, variant, {}))
    return tuple(
        f"{key}: {_said(committed, key)} -> {value!r}"
        for key, value in sorted(leaves(settings).items())
        if _within_a_stage(key) not in MACHINE_KEYS and _said(committed, key) != repr(value)
    )


def _said(committed: Settings, key: str) -> str:
    """What the committed settings have at a key; of many values below it, how many there are."""
    below = sum(other.startswith(f"{key}.") for other in committed)
    return f"{below} settings" if below else repr(committed.get(key))


def _within_a_stage(key: str) -> str:
    return key.split(".", 2)[2] if key.startswith("stages.") and key.count(".") > 1 else key
