"""Files of behavior policies whose JSON is none, or of another shape: one line each."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ampl.errors import InvalidFileError
from continuous.recreate.locomotion.levels import read_curve
from continuous.recreate.online_sac.policy_file import load_policy
from continuous.recreate.online_sac.replay_file import ReplayFile

SHIPPED = next((Path(__file__).parents[3] / "continuous" / "recreate" / "locomotion" / "weights").glob("*.safetensors"))
FORMAT = '"format": "ampl-testbed replay"'


@pytest.mark.parametrize(
    "header",
    [
        "[" * 4000,
        "[" * 2000 + "]" * 2000,
        f'{{{FORMAT}, "columns": {{"rewards": {"9" * 3000}}}}}',
        f'{{{FORMAT}, "columns": {{"rewards": -1}}}}',
        f'{{{FORMAT}, "columns": {{}}}}',
        f'{{{FORMAT}, "columns": []}}',
        "[]",
        "\udcff",
    ],
)
def test_a_replay_buffer_with_another_header_is_refused(tmp_path: Path, header: str) -> None:
    (tmp_path / "replay.bin").write_bytes(header.encode(errors="surrogateescape").ljust(4096))
    with pytest.raises(InvalidFileError, match="is not a replay buffer"):
        ReplayFile(tmp_path / "replay.bin")


@pytest.mark.parametrize("about", ["[" * 2000 + "]" * 2000, "9" * 5000, "[]", "NaN"])
def test_a_policy_that_says_something_odd_of_itself_is_refused(tmp_path: Path, about: str) -> None:
    parameters: dict[str, torch.Tensor] = load_file(SHIPPED)
    save_file(parameters, tmp_path / "good.safetensors", {"policy": json.dumps({"robot": "hopper"})})
    assert load_policy(tmp_path / "good.safetensors")[1] == {"robot": "hopper"}
    save_file(parameters, tmp_path / "odd.safetensors", {"policy": about})
    with pytest.raises(InvalidFileError, match="cannot be read as a policy"):
        load_policy(tmp_path / "odd.safetensors")


def test_a_curve_with_an_endless_cell_is_refused(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text("steps\n" + "9" * 200_000 + "\n")
    with pytest.raises(InvalidFileError, match="field larger than field limit"):
        read_curve(tmp_path / "curve.csv")
