"""What the gallery's studies of Kinetics-400 and Something-Something v2 take, as `videotcav plan` says it.

Neither data set is here: planted scenes stand in made-up folders of the same structure and size, and the networks are
the real ones with random weights, which take as long. A GPU's rate of passes is stated, so that its seconds are an
estimate. Decoding and detecting are left out, as they depend on the films.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import videotcav as vt
from harness import Book, options
from validation.provenance import ROOT

sys.path.insert(0, str(ROOT))
from examples.kinetics import made_up, recipe

GPU_FLOPS = 3.5e12
"""Stated: operations a second that a data-centre GPU keeps up in fp32."""

GIGA_A_CLIP = {"study": 2 * 43.9, "ssv2": 2 * 180.5}
"""Operations of a forward pass: twice the multiplications that the networks' makers state."""

OF_CLASS, OTHERS = 30, recipe.OTHER_CLASSES
PASSES = ("clips_forward", "clips_backward", "map_passes", "edit_passes", "share_passes", "store_bytes")


def kinetics(folder: Path) -> str:
    """The network of the study of Kinetics-400; its data are written."""
    made_up.kinetics(folder / "data", of_class=OF_CLASS, asked=OF_CLASS, others=OTHERS)
    return "torchvision:swin3d_t"


def something(folder: Path) -> str:
    """The same of Something-Something v2."""
    made_up.something(folder / "data", of_class=OF_CLASS, asked=OF_CLASS, others=OTHERS)
    transformers = importlib.import_module("transformers")
    names = dict(enumerate((made_up.RIGHT, made_up.LEFT, *(f"class {number}" for number in range(172)))))
    transformers.VideoMAEForVideoClassification(
        transformers.VideoMAEConfig(id2label=names, label2id={name: number for number, name in names.items()})
    ).save_pretrained(folder / "net")
    transformers.VideoMAEImageProcessor().save_pretrained(folder / "net")
    return f"transformers:{folder / 'net'}"


STUDIES: dict[str, Callable[[Path], str]] = {"study": kinetics, "ssv2": something}


def main() -> None:
    """Plans and writes down."""
    book = Book(__file__, "what the gallery's studies of real data sets take", options(__doc__).parse_args())
    for title in book.wanted(*STUDIES):
        with tempfile.TemporaryDirectory(prefix="videotcav-kinetics-") as place:
            folder = Path(place)
            model = STUDIES[title](folder)
            recipe.prepare(title, folder / "data", str(folder / "data" / "boxes.csv"), folder / "out", model=model)
            vt.accept(folder / "out" / "concepts")
            rate = GPU_FLOPS / (1e9 * GIGA_A_CLIP[title])
            plan = vt.plan(folder / "out" / "study.toml", clips_per_second=rate)
        plan.cost.seconds.pop("clips")  # made-up films are read faster than real ones
        book.note(
            title,
            needs=[need.sentence for need in plan.needs],
            **{name: getattr(plan.cost, name) for name in PASSES},
            passes_a_second=rate,
            stages=plan.cost.seconds,
        )


if __name__ == "__main__":
    main()
