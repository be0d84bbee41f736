"""Mistakes in the values of ARGS: no YAML, no number that anything can be learnt by, no whole run."""

from tests.benchmarks.mistakes import REPRODUCE, TRAIN, Case

RATE = TRAIN + " --args=--model.init_args.learning_rate_per_256"
REVIEWS = "run imdb --seeds=0 --profile=mini --data={tree}"
ROBOT = "run locomotion_walk --seeds=0 --profile=mini --variant=hopper-ppo"


def no_yaml(value):
    command = f"{REPRODUCE} --args='--trainer.max_epochs={value}'"
    return Case(f"the value {value:.20}", command, ("--trainer.max_epochs is no YAML", value[:9]))


def refused(name, command, *says):
    return Case(name, command, says, early=False)


CASES = [
    *map(no_yaml, ("2020-13-45", "0x_", "!!int x", "!!timestamp foo", "!!bool maybe", "[" * 2000)),
    Case(
        "a value that contains itself", REPRODUCE + " --args=--model='&a {{x: *a}}'",
        ("--model is no YAML (a value takes no alias (*))",),
    ),
    refused("a negative rate", RATE + "=-0.1", "learning_rate_per_256 is -0.1; it is above 0. Look at ARGS."),
    refused("a misspelt setting", TRAIN + " --args=--trainer.max_epoch=5", "Did you mean max_epochs? Look at ARGS."),
    refused("a rate of nothing", RATE + "=0.0", "learning_rate_per_256 is 0.0; it is above 0"),
    refused("a rate that is no number", RATE + "=.nan", "learning_rate_per_256 is nan; it is above 0"),
    refused(
        "a negative rate of an optimizer", REVIEWS + " --args=--model.init_args.optimizer.init_args.lr=-0.1",
        "model.init_args.optimizer: Invalid learning rate: -0.1",
    ),
    refused("minibatches of nothing", ROBOT + " --args=--model.init_args.minibatch=0", "minibatch is 0; it is at"),
    refused(
        "half precision for robots", ROBOT + " --args=--trainer.precision=16-mixed",
        "trainer.precision is 16-mixed, but this benchmark computes in 32-true", "Look at", "ARGS",
    ),
    refused(
        "weights in half precision", TRAIN + " --args=--trainer.precision=bf16-true",
        "trainer.precision is bf16-true, but weights and their updates are kept in float32. Choose 32-true, bf16-mixed",
    ),
    refused("no test", TRAIN + " --args=--trainer.limit_test_batches=0", "limit_test_batches leaves out a part of"),
    refused("two test batches", TRAIN + " --args=--trainer.limit_test_batches=2", "limit_test_batches leaves out a"),
    refused("half a test", TRAIN + " --args=--trainer.limit_test_batches=0.5", "trainer.limit_test_batches leaves out"),
    refused("a development run", TRAIN + " --args=--trainer.fast_dev_run=true", "fast_dev_run leaves out a part of"),
    refused("no training", TRAIN + " --args=--trainer.max_epochs=0", "trainer.max_epochs is 0, and nothing would be"),
    refused("steps alone", TRAIN + " --args=--trainer.max_epochs=-1 --trainer.max_steps=9", "trainer.max_epochs is -1"),
    refused("cut epochs", TRAIN + " --args=--trainer.limit_train_batches=2", "limit_train_batches cuts epochs short"),
    Case(
        "a batch of more than there is", TRAIN + " --args=--data.init_args.global_batch_size=2000",
        ("training examples do not fill one global batch of 2000",), early=False, leaves="results/runs/imagenet",
    ),
]  # fmt: skip
