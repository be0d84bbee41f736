"""Refuses numbers of a recipe that nothing can be learnt by, before anything is made of them."""


def require_positive(**numbers: float) -> None:
    """Looks at counts and rates by their names.

    Raises:
        ValueError: one is zero, negative or no number.
    """
    for name, number in numbers.items():
        if not number > 0:  # which nan is not either
            least = "at least 1" if isinstance(number, int) else "above 0"
            raise ValueError(f"{name} is {number}; it is {least}")
