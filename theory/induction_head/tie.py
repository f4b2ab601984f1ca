"""Derivation of tie: if the trigger is the first token, the learned head mostly fails for K = 2
and 3."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import sympy
from sympy import Rational

import assocmem as am
from assocmem.model.blocks import BlockTable
from assocmem.model.families import TokenBlock
from theory.derivation import Derivation
from theory.steps.any_length import at_sizes


def _rational_table(task: am.InductionTask) -> BlockTable:
    """Step 2 of a numeric task in exact arithmetic: the symbolic table at its N and K."""
    _, n, k = sympy.field("N, K", sympy.QQ)
    table = am.gradients.second_step(am.InductionTask(n, task.length, k))

    def value(part: np.ndarray) -> np.ndarray:
        numbers = [at_sizes(entry, task.n_tokens, task.n_triggers) for entry in part.ravel()]
        return np.array(numbers, dtype=object).reshape(part.shape)

    blocks = {
        name: TokenBlock(value(table[name].different), value(table[name].same))
        if isinstance(table[name], TokenBlock)
        else value(table[name])
        for name in table
    }
    return BlockTable(task, "W_K2", blocks)


def _mean_gap(table: BlockTable) -> Any:
    """Mean of score(x_2) - score(x_1) for tau = 1 and a perfect previous-token head, by blocks.

    x¹_T = x_T + Φ₁ x_{T-1}: position T - 1 is content and coincides with z_2 with probability 1/C.
    """
    c = table.task.n_content
    direct, copied = table["tokens", "tokens"], table["remapped_tokens", "tokens"]
    by_class = table["positions", "tokens"][-1] + table["remapped_positions", "tokens"][-2]
    coincide = Rational(1, c) * (copied.same[-1] - copied.different[-1, -1])
    to_output = direct.different[0, -1] + copied.different[-1, -1] + coincide + by_class[-1]
    to_trigger = direct.same[0] + copied.different[-1, 0] + by_class[0]
    by_position = (
        table["tokens", "positions"][0]
        + table["positions", "positions"][-1]
        + table["remapped_tokens", "positions"][-1]
        + table["remapped_positions", "positions"][-2]
    )
    return to_output - to_trigger + by_position[1] - by_position[0]


def derive(d: Derivation) -> None:
    """If the trigger is the first token, $x^1_1$ and $x^1_2$ differ only in the tokens and
    positions that they contain, and the layer-2 score is linear in these. The learned table has
    blocks that favour position 2, which the hand-built one lacks.
    """
    x_1, x_2, phi_1, phi_2, b = sympy.symbols(
        "s_{x_1} s_{x_2} s_{\\Phi_1x_1} s_{\\Phi_1x_2} b_{22}"
    )
    d.say(
        r"Position 1 attends to itself and position 2 to both, $b_{21} = 1 - b_{22}$:",
        r"x^1_1 = x_1 + \Phi_1 x_1, \qquad x^1_2 = x_2 + (1 - b_{22})\Phi_1 x_1 + b_{22}\Phi_1 x_2",
    )
    e_1, e_2 = x_1 + phi_1, x_2 + (1 - b) * phi_1 + b * phi_2
    d.equal(
        r"The layer-2 score $s$ is linear in the key; $\Phi_1 w_E(q)$ cancels up to $b_{22}$.",
        e_2 - e_1,
        x_2 - x_1 - b * (phi_1 - phi_2),
        latex=r"e_2 - e_1 = s(x_2) - s(x_1) - b_{22}\,(s(\Phi_1 x_1) - s(\Phi_1 x_2))",
    )
    d.say(
        r"The scores $s(x_1)$, $s(x_2)$ are read off the blocks of S2: token classes, positions, "
        r"and a coincidence of two content tokens with probability $\frac1C$."
    )
    for sizes in ((4, 5, 1), (5, 5, 2)):
        task = am.InductionTask(*sizes)
        table = _rational_table(task)
        J = table.coefficients()
        n, length, atoms = task.n_tokens, task.length, task.n_tokens + task.length
        total, count = Rational(0), 0
        for q, *content in product(task.triggers, *[task.contents] * (length - 2)):
            tokens = [q, *content, q]
            query = [tokens[-1], n + length - 1, atoms + tokens[-2], atoms + n + length - 2]
            total += sum(
                J[atom, tokens[1]] + J[atom, n + 1] - J[atom, tokens[0]] - J[atom, n]
                for atom in query
            )
            count += 1
        d.equal(
            rf"Perfect previous-token head ($b_{{22}} = 0$), $(N, T, K) = {sizes}$: the blocks "
            rf"against the mean over all {count} sequences with $\tau = 1$, in exact arithmetic.",
            _mean_gap(table),
            total / count,
            latex=rf"\mathbb{{E}}[s(x_2) - s(x_1)] = {sympy.latex(total / count)}",
        )
    sizes_of_the_claim = ((32, 32, 1), (64, 64, 1), (32, 64, 2))
    tables = [am.gradients.second_step(am.InductionTask(*sizes)) for sizes in sizes_of_the_claim]
    gaps = [float(_mean_gap(table) / table.lead) for table in tables]
    d.holds(
        r"So the sign is a matter of the blocks, not of chance. At the sizes of the claim, $(32, "
        r"32, 1)$, $(64, 64, 1)$ and $(32, 64, 2)$, position 2 is ahead, in units of the lead of "
        r"$J_2$ (of which there are $m_2 = 10$), by",
        sympy.And(*(gap > 0 for gap in gaps)),
        latex=r",\quad ".join(f"{gap:.2f}" for gap in gaps),
    )
    d.say(
        r"What a head loses at $\tau = 1$ is its lead over the later positions; the softmax of "
        r"$e$ says how much."
    )
