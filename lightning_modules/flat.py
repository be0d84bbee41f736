"""All weights of a small network as one vector, so that a whole update is one compiled graph, or one call of C++.

An update of a small network is some sixty operations of a few microseconds each; run one by one, the calls cost more
than the arithmetic. Compiled by `torch.compile` as a pure function of vectors they take a fifth of the time.
"""

import logging
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim.adam import adam


class Flat:
    """A network as a function of one vector of weights.

    It computes with a copy that has none (on torch's meta device): did a compiled graph also see the network's own,
    torch would sort out at every call which of them share the vector's memory, which takes as long as the update.

    Attributes:
        vector: holds all weights; the network's own become views of it, so both always say the same.
    """

    def __init__(self, network: nn.Module) -> None:
        weights = dict(network.named_parameters())
        self.shapes = {name: weight.shape for name, weight in weights.items()}
        self.vector = nn.Parameter(nn.utils.parameters_to_vector(weights.values()).detach().clone(), False)
        nn.utils.vector_to_parameters(self.vector, weights.values())
        self.blank = deepcopy(network).to("meta")

    def weights(self, vector: Tensor) -> dict[str, Tensor]:
        """The weights by name, as views of the vector."""
        parts = vector.split([shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def __call__(self, vector: Tensor, *inputs: Tensor) -> Any:
        """What the network says with these weights."""
        return functional_call(self.blank, self.weights(vector), inputs)


def adam_state(optimizer: torch.optim.Adam, vector: nn.Parameter) -> tuple[Tensor, Tensor, Tensor]:
    """Step, first and second moment of an optimizer of one vector, made on first use; checkpoints hold them."""
    state = optimizer.state[vector]
    if not state:
        state |= {
            "step": torch.tensor(0.0),
            "exp_avg": torch.zeros_like(vector),
            "exp_avg_sq": torch.zeros_like(vector),
        }
    return state["step"], state["exp_avg"], state["exp_avg_sq"]


def adam_step(
    vector: Tensor, gradient: Tensor, state: tuple[Tensor, Tensor, Tensor], learning_rate: Tensor, epsilon: float
) -> None:
    """Torch's Adam (Kingma & Ba, 2015) with its usual betas, in place, as an operation of a compiled graph."""
    step, first, second = state
    adam(
        [vector], [gradient], [first], [second], [], [step], foreach=False, fused=False, differentiable=False,
        capturable=torch.compiler.is_compiling(), amsgrad=False, beta1=0.9, beta2=0.999, lr=learning_rate,
        weight_decay=0.0, eps=epsilon, maximize=False,
    )  # fmt: skip


def clipped(gradient: Tensor, largest: float) -> Tensor:
    """The gradient, shortened to a norm of at most `largest`, as torch's `clip_grad_norm_` does."""
    return gradient * (largest / (gradient.norm() + 1e-6)).clamp(max=1.0)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one graph; as it is, and several times as slow, where there is no C++ `compiler`.

    It must always be called with arguments of the shapes and types of the first call: this is not checked again, as
    the check takes a fifth of an update's time.
    """
    if compiler() is None:
        return function
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it would say that there is no GPU
    options: dict[str, Any] = {"cpp_wrapper": True, "guard_filter_fn": torch.compiler.skip_all_guards_unsafe}
    return torch.compile(function, fullgraph=True, dynamic=False, options=options)


def compiler() -> str | None:
    """The C++ compiler that torch finds; None if there is none."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        return get_cpp_compiler()
    except InvalidCxxCompiler:
        return None
