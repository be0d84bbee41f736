"""All weights of a small network as one vector, so that a whole update is one compiled graph.

An update of a two-layer policy is some sixty operations of a few microseconds each; run one by one, the calls cost more
than the arithmetic. Compiled by `torch.compile` as a pure function of vectors they take a fifth of the time.
"""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


def flatten(network: nn.Module) -> nn.Parameter:
    """One vector that holds all weights; the network's own become views of it, so both always say the same."""
    vector = nn.Parameter(nn.utils.parameters_to_vector(network.parameters()).detach().clone(), requires_grad=False)
    nn.utils.vector_to_parameters(vector, network.parameters())
    return vector


def unflatten(network: nn.Module, vector: Tensor) -> dict[str, Tensor]:
    """The weights by name, as views of the vector: what `torch.func.functional_call` takes."""
    named = dict(network.named_parameters())
    parts = vector.split([weight.numel() for weight in named.values()])
    return {name: part.view_as(weight) for (name, weight), part in zip(named.items(), parts, strict=True)}


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
    """The function as one graph; as it is, and several times as slow, where there is no C++ `compiler`."""
    if compiler() is None:
        return function
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it would say that there is no GPU
    torch._inductor.config.cpp_wrapper = True  # calls kernels from C++, not from Python
    return torch.compile(function, fullgraph=True, dynamic=False)


def compiler() -> str | None:
    """The C++ compiler that torch finds; None if there is none."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        return get_cpp_compiler()
    except InvalidCxxCompiler:
        return None
