"""From YAML and ARGS to settings: overlays, overrides, deviations and hashes."""

import pytest

from benchmarks.assembly import Assembly
from benchmarks.config import (
    config_hash,
    deviations,
    leaves,
    machine_settings,
    merge,
    parse_overrides,
    resolve_settings,
)
from benchmarks.errors import UserError

# Merging.


def test_mappings_merge_and_everything_else_is_replaced():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert merge(base, {"a": {"c": [3]}, "e": 5}) == {"a": {"b": 1, "c": [3]}, "d": 4, "e": 5}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


def test_another_class_takes_its_own_arguments_only():
    base = {"class_path": "A", "init_args": {"x": 1}}
    assert merge(base, {"class_path": "B", "init_args": {"y": 2}}) == {"class_path": "B", "init_args": {"y": 2}}
    assert merge(base, {"class_path": "B"}) == {"class_path": "B"}
    assert merge(base, {"class_path": "A", "init_args": {"y": 2}}) == {"class_path": "A", "init_args": {"x": 1, "y": 2}}
    assert merge(base, {"init_args": {"y": 2}}) == {"class_path": "A", "init_args": {"x": 1, "y": 2}}


def test_a_class_named_after_its_arguments_keeps_them():
    assert parse_overrides("--m.init_args.x=1 --m.class_path=B") == {"m": {"init_args": {"x": 1}, "class_path": "B"}}


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


def test_a_seed_among_other_settings_would_be_lost_too():
    with pytest.raises(UserError, match=r"ARGS: --data\.init_args\.seed would be overruled"):
        parse_overrides("--data.init_args '{workers: 2, seed: 5}'")


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
        ("--trainer.limit_val_batches 10", "trainer.limit_val_batches: None -> 10"),
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
