"""Mistakes in the YAML files of a benchmark; `Case.edits` knows the functions here by their names."""

from tests.benchmarks.mistakes import REPRODUCE, TRAIN, Case


def edited(name, old, new):
    return lambda desk: desk.edit(name, old, new)


def edited_everywhere(name, old, new):
    return lambda desk: desk.config(name).write_text(desk.config(name).read_text().replace(old, new))


def rewritten(name, text):
    return lambda desk: desk.config(name).write_text(text)


CASES = [
    Case(
        "a typo in config.yaml", TRAIN, ("momentun",), edited("config.yaml", "momentum: 0.9", "momentun: 0.9"),
        early=False,
    ),
    Case("a typo in mini.yaml", TRAIN, ("max_epoch",), edited("mini.yaml", "max_epochs:", "max_epoch:"), early=False),
    Case(
        "config.yaml does not parse", REPRODUCE, ("benchmarks/imagenet/config.yaml cannot be read as YAML", "line"),
        edited("config.yaml", "trainer:\n", "trainer: [\n"),
    ),
    Case(
        "mini.yaml is no mapping", REPRODUCE, ("benchmarks/imagenet/mini.yaml: expected a mapping",),
        rewritten("mini.yaml", "- 3\n"),
    ),
    Case(
        "mini.yaml has an empty section", REPRODUCE, ("benchmarks/imagenet/mini.yaml: trainer is None",),
        rewritten("mini.yaml", "trainer:\n"),
    ),
    Case(
        "claim.yaml does not parse", REPRODUCE, ("benchmarks/imagenet/claim.yaml cannot be read as YAML",),
        edited("claim.yaml", "readings:", "readings: {"),
    ),
    Case(
        "claim.yaml has an unknown key", REPRODUCE,
        ("benchmarks/imagenet/claim.yaml", "checkpont: Unexpected", "checkpoint: ", "dataset, task, source"),
        edited("claim.yaml", "checkpoint: last", "checkpont: last"),
    ),
    Case(
        "claim.yaml lacks a key", "tables", ("benchmarks/imagenet/claim.yaml", "source.unit", "section, statement"),
        edited("claim.yaml", "  value: 91.3\n  unit: \"%\"\n", "  value: 91.3\n"),
    ),
    Case(
        "claim.yaml has a wrong type", REPRODUCE, ("claim.yaml", "seeds.0", "integer"),
        edited("claim.yaml", "seeds: [0, 1, 2]", "seeds: ['0', 1, 2]"),
    ),
    Case(
        "claim.yaml has a value that is no number", REPRODUCE, ("claim.yaml", "source.value", "finite"),
        edited("claim.yaml", "  value: 91.3\n  unit", "  value: .nan\n  unit"),
    ),
    Case(
        "claim.yaml names a metric that no run logs", REPRODUCE,
        ("claim.yaml", "'top-5'", "no run logs 'test/top50'", "<prefix>/top5"),
        edited("claim.yaml", "metric: test/top5", "metric: test/top50"),
    ),
    Case(
        "a margin without a reason", REPRODUCE, ("claim.yaml", "'top-1'", "margin.reason is empty"),
        edited("claim.yaml", '"The same as for top-5; the standard error of the claimed value is the same."', '" "'),
    ),
    Case(
        "two readings of one name", REPRODUCE, ("claim.yaml", "the name 'top-5' stands twice", "rename"),
        edited("claim.yaml", "- name: top-1", "- name: top-5"),
    ),
    Case(
        "a data set that is none", REPRODUCE,
        (
            "claim.yaml", "datamodules/baselines/imagenett.py, datamodules/sheets/imagenett.py, ",
            "datamodules/layouts/imagenett.py", "Adding a benchmark",
        ),
        edited("claim.yaml", "dataset: imagenet", "dataset: imagenett"),
    ),
    Case(
        "a task that is none", REPRODUCE, ("claim.yaml", "results/scoring/sorting.py"),
        edited("claim.yaml", "task: classification", "task: sorting"),
    ),
    Case(
        "a split that is none", "validate imagenet --data={tree} --predictions={tree}",
        ("claim.yaml: reading 'top-5': split is 'test'", "OFFICIAL in datamodules/layouts/imagenet.py", "train, val"),
        edited_everywhere("claim.yaml", "split: val", "split: test"),
    ),
]  # fmt: skip
