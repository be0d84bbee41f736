"""Commands as real processes that end: well, by a signal, or refused; and what two runs left behind, compared."""

import signal
import time

import torch

STATE = ("state_dict", "optimizer_states", "lr_schedulers", "global_step")


def finish(workshop, *arguments, **options):
    """What a command says that ends well."""
    code, out, err = workshop.call(*arguments, **options)
    assert (code, err) == (0, ""), (out, err)
    return out


def refused(workshop, *arguments, message, rest="", **environment):
    """A user's mistake: exit code 2, a message of one line and maybe `rest`, and nothing half-done."""
    code, out, err = workshop.call(*arguments, **environment)
    assert code == 2, (out, err)
    first, _, others = err.partition("\n")
    assert (first[:7], first.count("error: "), others) == ("error: ", 1, rest), err
    assert message in first
    for folder, kind in (("records", "*.json"), ("runs", "*.ckpt")):
        assert not list((workshop.root / "results" / folder).rglob(kind))


def interrupt(workshop, moment, number, *arguments, **environment):
    """Starts a command, sends its group a signal at a moment, and lets go of it."""
    process = workshop.start(*arguments, pause=moment, **environment)
    process.until_paused()
    process.kill_group(number)
    if number != signal.SIGKILL:
        time.sleep(0.2)  # the signal is there before the step ends
        process.go_on()
    code, out, err = process.wait()
    (workshop.root / "paused").unlink(missing_ok=True)
    return code, out, err


def kill(workshop, moment, *arguments):
    """Starts a command and kills it at a moment."""
    assert interrupt(workshop, moment, signal.SIGKILL, *arguments)[0] == -signal.SIGKILL


def newest(workshop, benchmark):
    """The step of the newest checkpoint of a benchmark's only run, 0 while there is none."""
    paths = (workshop.root / "results/runs" / benchmark).glob("*/step-*.ckpt")
    return max((int(path.stem.removeprefix("step-")) for path in paths), default=0)


def differences(a, b, where=""):
    """Where two nested values differ; tensors bit for bit."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [found for key in a for found in differences(a[key], b[key], f"{where}.{key}")]
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        pairs = enumerate(zip(a, b, strict=True))
        return [found for key, pair in pairs for found in differences(*pair, f"{where}.{key}")]
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return [] if a.dtype == b.dtype and torch.equal(a, b) else [where]
    return [] if type(a) is type(b) and a == b else [f"{where}: {a!r} and {b!r}"]


def assert_same_checkpoint(name, folders, *keys):
    """The checkpoint of that name is the same in both folders under each of the keys."""
    one, other = (torch.load(folder / name, weights_only=True) for folder in folders)
    for key in keys:
        assert differences(one[key], other[key]) == [], (name, key)


def assert_scored_as_recorded(workshop, benchmark, tree, record, *validations):
    """Each validation, one by two processes, finds what the record says; returns their records."""
    for options in validations:
        finish(workshop, "validate", benchmark, f"--data={tree}", *options)
    again = workshop.contents(benchmark, "mini-validate-*")
    assert len(again) == len(validations)
    for each in again:
        assert each["examples"] == record["examples"]
        for key, measured in record["metrics"].items():
            assert each["metrics"][key] | {"signature": None} == measured | {"signature": None}, key
    assert {each["environment"]["world_size"] for each in again} == {1, 2}
    return again
