"""From YAML and ARGS to typed settings: overlays, hashes, deviations, and every committed config."""

import builtins
import importlib
import io
import os
import re
import socket
from pathlib import Path

import pytest
import yaml

from benchmarks import config
from benchmarks.assembly import Assembly
from benchmarks.config import (
    config_hash,
    deviations,
    last_stage,
    leaves,
    machine_settings,
    merge,
    overridden,
    parse_overrides,
    resolve_settings,
    stages,
)
from benchmarks.errors import UserError
from benchmarks.modules import needs_data
from benchmarks.paths import ROOT
from benchmarks.strict import load_claim
from results.collect import benchmarks

# Merging.


def test_mappings_merge_and_everything_else_is_replaced():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert merge(base, {"a": {"c": [3]}, "e": 5}) == {"a": {"b": 1, "c": [3]}, "d": 4, "e": 5}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


def test_another_class_takes_its_own_arguments_only():
    base = {"class_path": "A", "init_args": {"x": 1}}
    assert merge(base, {"class_path": "B", "init_args": {"y": 2}}) == {"class_path": "B", "init_args": {"y": 2}}
    assert merge(base, {"class_path": "A", "init_args": {"y": 2}}) == {"class_path": "A", "init_args": {"x": 1, "y": 2}}
    assert merge(base, {"init_args": {"y": 2}}) == {"class_path": "A", "init_args": {"x": 1, "y": 2}}


def test_a_class_named_after_its_arguments_keeps_them():
    assert parse_overrides("--m.init_args.x=1 --m.class_path=B") == {"m": {"init_args": {"x": 1}, "class_path": "B"}}


@pytest.fixture
def small_benchmark(tmp_path, monkeypatch):
    """A benchmark of four overlays that each set `d`, and one key of their own."""
    (tmp_path / "variants").mkdir()
    for name in ("config", "variants/v", "mini", "variants/v.mini"):
        key = name.replace("/", "_").replace(".", "_")
        (tmp_path / f"{name}.yaml").write_text(f"{key}: 1\nd: {key}\n")
    monkeypatch.setattr(config, "benchmark_folder", lambda _: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("profile", "variant", "last", "count"),
    [
        ("full", None, "config", 1),
        ("full", "v", "variants_v", 2),
        ("mini", None, "mini", 2),
        ("mini", "v", "variants_v_mini", 4),
    ],
)
def test_overlays_apply_in_their_order(small_benchmark, profile, variant, last, count):
    settings = resolve_settings("any", profile, variant, {})
    assert settings.pop("d") == last
    assert len(settings) == count
    assert resolve_settings("any", profile, variant, {"d": "user"})["d"] == "user"


def test_a_variant_without_a_miniature_of_its_own(small_benchmark):
    (small_benchmark / "variants/v.mini.yaml").unlink()
    assert resolve_settings("any", "mini", "v", {})["d"] == "mini"


# Stages.

STAGED = {
    "trainer": {"max_epochs": 9, "devices": 1},
    "controls": ["scratch"],
    "stages": {
        "first": {"trainer": {"max_epochs": 3}, "model": {"class_path": "A"}},
        "second": {"model": {"class_path": "B"}},
    },
}


def test_what_stands_beside_stages_holds_for_all_of_them():
    first, second = stages(STAGED).values()
    assert first == {"trainer": {"max_epochs": 3, "devices": 1}, "model": {"class_path": "A"}}
    assert second == last_stage(STAGED) == {"trainer": {"max_epochs": 9, "devices": 1}, "model": {"class_path": "B"}}
    assert stages(first) == {"": first}
    assert last_stage(first) == first


def test_a_stage_set_to_null_falls_away():
    without = merge(STAGED, {"stages": {"first": None}})
    assert [*stages(without)] == ["second"]
    assert [*stages(overridden(without, {"threads": 2, "stages": {"first": {"threads": 1}}}))] == ["second"]


def test_an_override_overrules_every_stage_or_the_one_it_names():
    everywhere = stages(overridden(STAGED, {"trainer": {"max_epochs": 1}, "threads": 2}))
    assert [each["trainer"]["max_epochs"] for each in everywhere.values()] == [1, 1]
    assert [each["threads"] for each in everywhere.values()] == [2, 2]
    one = stages(overridden(STAGED, {"stages": {"first": {"trainer": {"max_epochs": 1}}}}))
    assert [each["trainer"]["max_epochs"] for each in one.values()] == [1, 9]
    both = stages(
        overridden(STAGED, {"trainer": {"max_epochs": 2}, "stages": {"first": {"trainer": {"max_epochs": 1}}}})
    )
    assert [each["trainer"]["max_epochs"] for each in both.values()] == [1, 2]


def test_overrides_of_stages_are_deviations_and_their_machine_keys_are_not(small_benchmark):
    (small_benchmark / "config.yaml").write_text(yaml.safe_dump(STAGED))
    changed = resolve_settings("any", "full", None, {"trainer": {"devices": 2}})
    assert deviations("any", "full", None, changed) == ()
    changed = resolve_settings("any", "full", None, {"stages": {"first": {"trainer": {"max_epochs": 4}}}})
    assert deviations("any", "full", None, changed) == ("stages.first.trainer.max_epochs: 3 -> 4",)
    changed = resolve_settings("any", "full", None, {"stages": {"first": None}})
    assert deviations("any", "full", None, changed) == ("stages.first: 2 settings -> None",)
    changed = resolve_settings("any", "full", None, {"controls": []})
    assert deviations("any", "full", None, changed) == ("controls: ['scratch'] -> []",)


def test_a_block_that_is_left_out_is_a_deviation():
    settings = resolve_settings("wmt_transformer", "full", None, parse_overrides("--model.init_args.averaging null"))
    assert deviations("wmt_transformer", "full", None, settings) == ("model.init_args.averaging: 2 settings -> None",)


def test_stages_of_a_benchmark_that_has_none_are_refused():
    with pytest.raises(UserError, match="there is no stage 'x' of this benchmark"):
        resolve_settings("wmt_transformer", "full", None, parse_overrides("--stages.x.trainer.max_epochs 1"))


def test_the_hash_of_stages_is_of_each(small_benchmark):
    def hashed(settings):
        return config_hash(settings, [*stages(settings).values()])

    changed = [
        {"trainer": {"max_epochs": 1}}, {"stages": {"first": {"trainer": {"max_epochs": 1}}}},
        {"stages": {"second": {"trainer": {"max_epochs": 1}}}}, {"stages": {"first": None}},
    ]  # fmt: skip
    assert len({hashed(overridden(STAGED, each)) for each in ({}, *changed)}) == 5
    assert hashed(overridden(STAGED, {"trainer": {"devices": 2}})) == hashed(STAGED)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stages: [a, b]", "stages is ['a', 'b']"),
        ("stages: {first: 3}", "stages.first is 3"),
        ("stages: {first: {model: 3}}", "stages.first: model is 3"),
    ],
)
def test_malformed_stages_are_refused(small_benchmark, text, words):
    (small_benchmark / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=re.escape(words)):
        resolve_settings("any", "full", None, {})


# ARGS.


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", {}),
        ("--trainer.max_epochs 5", {"trainer": {"max_epochs": 5}}),
        ("--trainer.max_epochs=5 --threads 2", {"trainer": {"max_epochs": 5}, "threads": 2}),
        ("--a.b 5e-4 --a.c=1E3 --a.d -1e-3 --a.e .5e1", {"a": {"b": 5e-4, "c": 1e3, "d": -1e-3, "e": 5.0}}),
        ("--a.b [1,2] --a.c '[1, 2]' --a.d null --a.e true", {"a": {"b": [1, 2], "c": [1, 2], "d": None, "e": True}}),
        ("--a '{b: 1}' --a.c x=y", {"a": {"b": 1, "c": "x=y"}}),
        ("--a.b= ", {"a": {"b": None}}),
        ("--a.b 1e --a.c e5 --a.d 2024-01-01T", {"a": {"b": "1e", "c": "e5", "d": "2024-01-01T"}}),
    ],
)
def test_overrides(text, settings):
    assert parse_overrides(text) == settings


# Deviations and hashes. `resolved` is the typed parser's; here the settings themselves, as a parser would return them.


@pytest.mark.parametrize(
    "harmless",
    [
        "",
        "--trainer.devices 2 --trainer.num_nodes 2 --trainer.accelerator gpu --trainer.strategy ddp",
        "--trainer.precision 32-true --trainer.accumulate_grad_batches 4 --data.init_args.workers 3",
        "--trainer.max_epochs 32 --model.init_args.weight_decay 1e-4 --model.init_args.learning_rate_per_256 1.0625e-1",
        "--data.init_args.ramp [23,27]",
    ],
)
def test_machine_keys_and_the_committed_values_are_no_deviation(harmless):
    overrides = parse_overrides(harmless)
    assert deviations("imagenet", "full", None, resolved(overrides)) == ()
    assert hashed(overrides) == hashed({})


def resolved(overrides):
    return resolve_settings("imagenet", "full", None, overrides)


def hashed(overrides, seed=0, root="/data"):
    settings = resolved(overrides)
    assembly = Assembly(merge(settings, machine_settings(seed, root)))
    return config_hash(settings, [assembly.resolved])


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("--trainer.max_epochs 5", "trainer.max_epochs: 32 -> 5"),
        ("--model.init_args.momentum=0.95", "model.init_args.momentum: 0.9 -> 0.95"),
        ("--threads 3", "threads: 4 -> 3"),
        ("--data.init_args.resize 232", "data.init_args.resize: 256 -> 232"),
        ("--trainer.gradient_clip_val 1.0", "trainer.gradient_clip_val: None -> 1.0"),
        ("--trainer.limit_train_batches 10", "trainer.limit_train_batches: None -> 10"),
    ],
)
def test_every_other_override_is_a_deviation_and_another_configuration(override, line):
    overrides = parse_overrides(override)
    assert deviations("imagenet", "full", None, resolved(overrides)) == (line,)
    assert hashed(overrides) != hashed({})


def test_the_hash_is_of_values_and_not_of_their_spelling():
    spellings = ("5e-4", "0.0005", "5.0e-04", ".0005")
    assert len({hashed(parse_overrides(f"--model.init_args.weight_decay {text}")) for text in spellings}) == 1
    assert hashed(parse_overrides("--model.init_args.weight_decay 5.1e-4")) != hashed(
        parse_overrides("--model.init_args.weight_decay 5e-4")
    )


def test_the_hash_does_not_know_seed_and_place():
    assert hashed({}, seed=0, root="/data") == hashed({}, seed=7, root="/elsewhere")


def test_leaves_are_dotted_and_lists_are_whole():
    assert leaves({"a": {"b": [1, {"c": 2}]}, "d": {}}) == {"a.b": [1, {"c": 2}], "d": {}}


# Every committed config.


def configurations():
    for benchmark in benchmarks():
        variants = [path.stem for path in (ROOT / "benchmarks" / benchmark / "variants").glob("*.yaml")]
        for variant in (None, *(name for name in variants if "." not in name)):
            for profile in ("full", "mini"):
                yield pytest.param(benchmark, profile, variant, id=f"{benchmark}-{profile}-{variant}")


@pytest.fixture
def no_disk_no_network(monkeypatch):
    """Only what Python itself imports may be opened; a library may look around while it is imported."""
    for package in ("datamodules", "lightning_modules"):
        for path in (ROOT / package).glob("*.py"):
            importlib.import_module(f"{package}.{path.stem}")
    load_claim("imagenet")  # pydantic looks for plugins when it is first used
    really_open, really_io_open, really_scan = builtins.open, io.open, os.scandir
    own = tuple(os.fspath(path) for path in (ROOT, Path(os.__file__).parents[1], Path(os.__file__).parents[3]))

    def guarded(really):
        def opened(file, *arguments, **options):
            path = os.fspath(file) if not isinstance(file, int) else ""
            code = path.startswith(own) and path.endswith((".py", ".pyc", ".yaml", ".json", ".pyi", ".so"))
            assert code or isinstance(file, int), f"{file} was opened"
            return really(file, *arguments, **options)

        return opened

    def refuse(*arguments, **_):
        raise AssertionError(f"the network or the disk was touched: {arguments}")

    monkeypatch.setattr(builtins, "open", guarded(really_open))
    monkeypatch.setattr(io, "open", guarded(really_io_open))
    monkeypatch.setattr(os, "mkdir", refuse)
    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(
        os, "scandir", lambda path=".": really_scan(path) if str(path).startswith(own) else refuse(path)
    )


@pytest.mark.parametrize(("benchmark", "profile", "variant"), list(configurations()))
def test_every_committed_config_is_instantiated_without_disk_and_network(
    benchmark, profile, variant, no_disk_no_network
):
    root = "/there/is/no/such/folder" if needs_data(load_claim(benchmark)) else None
    for settings in stages(resolve_settings(benchmark, profile, variant, {})).values():
        assembly = Assembly(merge(settings, machine_settings(3, root)))
        module = type(assembly.module)
        assert module.__module__ + "." + module.__name__ == settings["model"]["class_path"]
        assert type(assembly.datamodule).__name__ == settings["data"]["class_path"].rpartition(".")[2]
        assert assembly.resolved["trainer"]["use_distributed_sampler"] is False
        assert {key: leaves(assembly.resolved)[key] for key in leaves(settings)} == leaves(settings)


def test_the_guard_sees_a_disk_that_is_touched(no_disk_no_network):
    with pytest.raises(AssertionError, match="was opened"):
        Path("/tmp/x").read_bytes()
    with pytest.raises(AssertionError, match="touched"):
        socket.create_connection(("localhost", 1))


def parsed(overrides):
    settings = resolve_settings("imagenet", "mini", None, parse_overrides(overrides))
    return Assembly(merge(settings, machine_settings(0, "/data")))


@pytest.mark.parametrize(("written", "limit"), [("1", 1.0), ("2", 2), ("0.5", 0.5)])
def test_a_limit_of_one_is_everything(written, limit):
    """The trap of `limit_train_batches: 1`: it is 100 % of the batches, not one batch.

    Seen with Lightning 2.6 and jsonargparse 4: whole numbers are parsed to floats (1.0, 2.0), and Lightning takes 1.0
    for all and 2.0 for two batches. So one batch cannot be asked for in YAML, and no code of ours may rely on it.
    """
    assembly = parsed(f"--trainer.limit_train_batches={written}")
    assert type(assembly.resolved["trainer"]["limit_train_batches"]) is float
    assert assembly.trainer([]).limit_train_batches == limit


def test_an_unknown_key_and_a_wrong_type_are_refused():
    for overrides, words in (
        ("--trainer.max_epoch=3", "max_epoch"),
        ("--model.init_args.momentun=3", "momentun"),
        ("--trainer.max_epochs=many", "trainer.max_epochs"),
        ("--data.init_args.ramp=[1,b]", "ramp"),
        ("--checkpoint_every_n_steps=0", "checkpoint_every_n_steps"),
        ("--optimiser.lr=1", "optimiser"),
    ):
        with pytest.raises(UserError, match=words):
            parsed(overrides)
