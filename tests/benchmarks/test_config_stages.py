"""Settings of several stages: what holds for each, what overrides and nulls do, deviations and hashes."""

import re

import pytest
import yaml

from benchmarks.config import (
    config_hash,
    deviations,
    last_stage,
    merge,
    overridden,
    parse_overrides,
    resolve_settings,
    stages,
)
from benchmarks.errors import UserError

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
