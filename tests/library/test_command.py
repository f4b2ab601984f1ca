"""The command ``assocmem``: what it prints follows from the library; errors say what to do."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

import assocmem as am
from assocmem import _checks
from assocmem.__main__ import main
from tests.rounding import PRODUCTS

SMALL = ["--tokens", "12", "--length", "12"]


def test_a_step_shows_the_closed_form(capsys):
    for which, step in ((1, am.gradients.first_step), (2, am.gradients.second_step)):
        assert main(["step", str(which), "--tokens", "1000000", "--length", "9"]) == 0
        shown = capsys.readouterr().out
        table = step(am.InductionTask(10**6, 9))
        assert f"{table.lead:.6g}" in shown
        for row, column in table:
            assert f"{row} x {column}" in shown
    assert main(["step", "3", *SMALL, "--margin", "4"]) == 0
    assert f"{am.gradients.third_step(am.InductionTask(12, 12), 4.0).lead:.6g}" in (
        capsys.readouterr().out
    )


def test_a_step_tells_what_is_wanted_what_competes_and_what_is_zero(capsys):
    assert main(["step", "2"]) == 0
    shown = capsys.readouterr().out
    parts = re.split(r"\n(?=Wanted|Competing|Besides|Zero)", shown)[1:]
    table = am.gradients.second_step(am.InductionTask(32, 32))
    assert re.findall(r"^(\w+) x (\w+)$", parts[0], re.MULTILINE) == [("tokens", "remapped_tokens")]
    assert {row for row, _ in re.findall(r"^(\w+) x (\w+)$", parts[1], re.MULTILINE)} == {"tokens"}
    told = re.findall(r"(\w+) x (\w+)", shown)
    assert sorted(told) == sorted(table)  # each once
    assert len(shown.splitlines()) <= 80
    row = table["tokens", "positions"][0]
    assert f"least at {row.argmin() + 1} ({row.min():.3g})" in parts[1]
    assert main(["step", "1"]) == 0
    zero = capsys.readouterr().out.splitlines()[-1]
    assert zero == "Zero: outputs x positions, outputs x remapped_positions"


def test_random_triggers_predict_all_tokens(capsys):
    assert main(["step", "1", *SMALL, "--triggers", "random"]) == 0
    assert "n_triggers='random', predict='all'" in capsys.readouterr().out


@pytest.mark.parametrize("predict", ["content", "all"])
@pytest.mark.parametrize(("tokens", "triggers"), [(12, 1), (1000, 2)])
def test_a_step_shows_every_coefficient_and_no_class_that_is_not_there(
    capsys, tokens, triggers, predict
):
    sizes = ["--tokens", str(tokens), "--triggers", str(triggers), "--length", "8"]
    assert main(["step", "1", *sizes, "--predict", predict, "--all"]) == 0
    shown = capsys.readouterr().out
    assert ("trigger with itself" in shown) == (predict == "all")
    assert ("trigger, another trigger" in shown) == (predict == "all" and triggers > 1)
    block = am.gradients.first_step(am.InductionTask(tokens, 8, triggers, predict))
    for entry in block["outputs", "positions"][predict == "content" :, 0]:
        if abs(entry) > PRODUCTS:  # 1.25e-04 is not to be shown as 0
            assert f"{entry:.2e}" in shown


def test_the_three_steps_and_their_picture(capsys, tmp_path):
    picture = tmp_path / "steps.png"
    assert main(["top-down", *SMALL, "--seed", "3", "--picture", str(picture)]) == 0
    shown = capsys.readouterr().out
    run = am.top_down(am.InductionTask(12, 12), margins=(0.5, 10, 20), rng=3)
    for step in run.steps:
        assert f"after {step.name}: recall {step.recall:.4f}" in shown
        assert f"accuracy {step.evaluation.accuracy.value:.4f}" in shown
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_step_that_cannot_be_taken_is_told(capsys):
    assert main(["top-down", "--tokens", "4", "--length", "4"]) == 0
    assert "stopped: " in capsys.readouterr().out


def test_a_width_is_evaluated_draw_by_draw(capsys):
    assert main(["width", "64", *SMALL, "--draws", "2"]) == 0
    shown = capsys.readouterr().out
    assert re.findall(r"^draw (\d): recall W_O2", shown, re.MULTILINE) == ["1", "2"]
    assert "no proved width" in shown or "width " in shown.splitlines()[-1]


def test_the_heads_of_a_checkpoint(capsys, tmp_path):
    one = am.heads.zoo.specimen(n_tokens=16, length=16, width=128, n_heads=2, rng=0)
    path = tmp_path / "weights.npz"
    np.savez(path, **one.weights)
    arguments = ["heads", str(path), "--layout", "transformer_lens", "--norm", "none"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    first, second = one.circuit
    assert f"induction circuit: previous-token head {first}, induction head {second}" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["step", "4"], "invalid choice"),
        (["step", "1", "--tokens", "1"], "assocmem: .*expected"),
        (["width", "0", *SMALL], "assocmem: width: expected"),
        (["heads", "missing.npz"], "assocmem: .*expected a file"),
        ([], "required"),
    ],
)
def test_wrong_usage_is_2_and_says_what_to_do(arguments, message, capsys):
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert re.search(message, shown.err)
    assert "Traceback" not in shown.err


def test_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "assocmem", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"assocmem {am.__version__}\n"


# --- extras that are missing


@pytest.mark.parametrize(
    ("statement", "package", "extra"),
    [
        ("import assocmem as am; am.plots.memory([[1.0]])", "matplotlib", "plots"),
        ("from assocmem.testing import embeddings", "hypothesis", "testing"),
        (
            "import assocmem as am; am.sweeps.run(dict, {'n': [1]}, progress=True)",
            "tqdm", "progress",
        ),
    ],
)  # fmt: skip
def test_a_missing_package_names_its_extra(statement, package, extra, tmp_path):
    """In an interpreter that does not find it."""
    code = f"import sys; sys.modules[{package!r}] = None\n{statement}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert f"{package}: expected the package; got none" in last
    assert f"pip install 'assocmem[{extra}]'" in last


def test_a_package_that_lacks_something_itself_is_not_blamed():
    with pytest.raises(ModuleNotFoundError, match=r"json\.nothing"):
        _checks.required("json.nothing", "plots")
