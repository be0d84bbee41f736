"""Values of the actions of a list."""

from itertools import pairwise

from torch import Tensor, nn


class ActionValues(nn.Module):
    """Q(s, a) of every action, by a perceptron with ReLU (Mnih et al., 2015, with vectors for pictures).

    Args:
        observations: size of an observation.
        actions: to choose from.
        widths: of the hidden layers.
    """

    def __init__(self, observations: int, actions: int, widths: list[int]) -> None:
        super().__init__()
        sizes = [observations, *widths]
        hidden = [layer for inputs, outputs in pairwise(sizes) for layer in (nn.Linear(inputs, outputs), nn.ReLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(sizes[-1], actions))

    def forward(self, observations: Tensor) -> Tensor:
        """Values [n, actions] of observations [n, o]."""
        values: Tensor = self.layers(observations)
        return values
