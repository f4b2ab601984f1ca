"""Errors that are planted in the pairings behind the noise of a step."""


def counted_wrongly(error):
    """A change: the counts of the pairings of four vectors, by power of the width."""
    return lambda pairings: {
        pairing: error(powers) if len(pairing) == 4 else powers
        for pairing, powers in pairings.items()
    }


COUNTS = {
    "power": lambda powers: {power + 1: count for power, count in powers.items()},
    "factor": lambda powers: {power: 2 * count for power, count in powers.items()},
    "half the noise": lambda powers: {p: n / 2 if p == 1 else n for p, n in powers.items()},
    "sign": lambda powers: {power: -count for power, count in powers.items()},
}


def at_another_width(factor):
    """An error of a measurement at a width: it is made at another."""
    return lambda measured: lambda head, d, *a: measured(head, round(d * factor), *a)
