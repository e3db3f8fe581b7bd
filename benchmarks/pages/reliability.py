"""Writes docs/reliability.md from the JSON in benchmarks/results.

python benchmarks/pages/reliability.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "reliability.md"
Cells = Mapping[str, Mapping[str, Any]]
OUTCOMES = ("same", "refused", "unknowable", "wrong", "traceback", "hang", "crash")

SEEN = {
    "the link, the question for a name": "first_paint",
    "the link, the first clip plays": "first_picture",
    "the key for the grid, the grid": "grid",
    "the key for the end, the last card": "last_card",
}

INTRO = """# It does not break, and it does not lie

Written by `benchmarks/pages/reliability.py` from `benchmarks/results/*.json`; the scripts named below take the
figures anew. Times were taken on a machine that was doing other work too (its load stands beside them): they are
upper bounds, and no comparison across sections.

"""
INPUTS = """## Hostile inputs

`benchmarks/hostile_inputs.py`: real files of each kind, damaged by number (`validation/campaign`), through the public
entry points; a slice runs in the suite. Videos are made for it in six containers, and real ones by others' encoders are
taken from beside the checkout. One case of each kind is not damaged at all, and must be read as it is. Outcomes:

- *same*: numbers, and the right ones: the frames of the undamaged file (decoded by PyAV alone), its weights, its sets;
- *refused*: one error of ours, in a sentence;
- *unknowable*: the file is whole in every respect that its format can check, and says something else than it did:
  a picture whose bits changed so that it still decodes, a table with another number in it, other weights. Formats
  without checksums cannot tell; manifests record hashes of everything that was read, so that it can be told later;
- *wrong* (numbers that FFmpeg or the file gave away as wrong), *traceback*, *hang*, *crash*: finds. The target is none.

"""
FAULTS = """## Faults

Each is a test: afterwards results are complete and equal, or absent with one sentence.

| fault | what happens | test |
| --- | --- | --- |
| FFmpeg crashes, hangs or devours memory | the file is named, the rest goes on | `tests/video/test_apart.py` |
| a decoding process is killed | another takes over, the file is read once more | `tests/video/test_apart.py` |
| a video changes or vanishes while it is read | named | `tests/video/test_apart.py` |
| disk full, folder that may not be written | one sentence, nothing left | `tests/test_faults.py` |
| SIGTERM, Ctrl-C | the half-written folder is removed; exit codes 143, 130 | `tests/test_faults.py` |
| no memory for a pass | batches halve, or one sentence | `tests/features/test_measure.py`, `tests/test_faults.py` |
| two runs into one folder | the first to end is kept, the other is told | `tests/results/test_folder.py` |
| a run's process is killed (SIGKILL), at any point | see below | `tests/study/test_resume.py` |
| a shard that does not fit on the disk | one sentence; shards stored before stay of use | `tests/test_faults.py` |
| a machine of the cluster is lost at work | the others do its share, the same bits | `tests/engine/test_on_ray.py` |
| the clock goes backwards in a review | decisions keep their order | `tests/concepts/review/test_review.py` |
| the clock goes backwards in a run | it ends as ever | `tests/test_faults.py` |
| the review's server is killed among decisions | none lost, none doubled | `tests/review_app/test_serve.py` |

"""
APP, ATTACK = "review_app/test_app.py", "review_app/test_attacks.py"
ATTACKS = (
    ("DNS rebinding: a foreign name leads to this machine", "403", APP),
    ("CSRF: another page posts, or embeds an answer", "403; nothing is recorded, nothing is read", APP),
    ("another machine connects", "nobody listens there", "review_app/test_serve.py"),
    ("the token is guessed", "256 random bits; a near miss is answered like a far one", ATTACK),
    ("the token leaks", "it is in no answer, no header but its cookie, no line of the log, no Referer", ATTACK),
    ("the browser's own link is used again", "401", APP),
    ("paths in ids, kinds and names; links out of the folder", "404 or 422", APP),
    ("ranges that are none", "400 or 416", APP),
    ("a thousand ranges at once", "no more bytes than the file has", ATTACK),
    ("bodies too large, declared or in chunks", "413", APP),
    ("bodies that never end", "408", APP),
    ("heads that never end, connections that say nothing", "hung up on; others are served meanwhile", ATTACK),
    ("websockets, event streams", "there are none", ATTACK),
    ("requests that fit no schema", "4xx and a sentence", "review_app/test_openapi.py"),
    ("file, concept and reviewer names that are markup", "text", "review_app/test_browser.py"),
    ("the same in a study's report", "text", "report/test_page.py"),
    ("in reports of compared models and of maps", "text", "report/test_inert.py"),
    ("in the paper's page", "text", "paper/test_paper.py"),
    ("a comparison that links elsewhere", "its links stay in its folder", "report/test_inert.py"),
    ("a checkpoint that runs code", "refused", "models/test_checkpoint.py"),
    ("pickle, `eval`, shells, processes in the source", "none, by its syntax trees", "test_safety.py"),
)
NUMBERS = """## Numbers

| claim | test |
| --- | --- |
| sign counts are captum's, the classifier frozen, over random studies | `tests/compat/test_beside_captum.py` |
| CAVs and scores are scikit-learn's, over random studies | `tests/explain/cavs/test_gram_route.py` |
| t-tests, intervals: scipy's | `tests/explain/test_properties.py`, `tests/explain/inference/test_permutation.py` |
| float32, blocks and threads change rounding alone | `tests/explain/test_properties.py` |
| batch size changes nothing | `tests/features/test_measure.py`, `tests/features/test_extract.py` |
| a cluster gives this process's bits | `tests/engine/test_on_ray.py` |
| the order of clips, concepts, classes and layers changes no row | `tests/explain/questions/test_all.py` |
| NaN or infinity in a weight, an activation, a logit or a gradient is named | `tests/features/test_measure.py` |
| NaN or infinity in a clip is named | `tests/models/test_passes.py` |
| NaN or infinity in a box or a score is named | `tests/concepts/detectors` |
| other numbers in a run's table than it wrote are told | `tests/study/test_run.py` |

"""
CAPTUM = """## Beside captum

`tests/compat/test_beside_captum.py` computes the same sign counts by captum 0.9.0 and by us over random studies, and
shows where the two part; each row is a test in it:

| | captum 0.9.0 | here |
| --- | --- | --- |
| other clips under an old concept's number | the old clips' CAV answers | they are other clips |
| a clip with NaN | a sign count of 0 | refused, naming clip and layer |
| the same study again, seeded alike | other scores: its split of clips is not seeded | the same results |
| two sets that stand apart, on clips held out | an accuracy of about a half: it always says the first set | 1 |
| a run that was killed | starts again; in batches of another size, old clips count twice | goes on; the same bits |

"""
FOUND = """## Found and fixed by the campaign

- A study went down with FFmpeg; now FFmpeg runs in processes of its own.
- Boxes, class names and tables that are not UTF-8 text gave tracebacks, as did NUL bytes and surplus columns in a
  table of sources, and a folder in the place of `metadata.jsonl`.
- SIGTERM left a half-written run folder, a lack of memory a traceback.
- The later of two runs into one folder silently replaced the results of the first.
- A run folder was removed before its replacement stood in its place.
- A file whose first keyframe was damaged came out as a shorter video, its time shifted.
- In H.264 with several slices a frame, as real encoders write it, damage went unnoticed: where FFmpeg has a thread a
  slice it neither marks nor patches what it cannot decode, and the pixels there depend on chance.
- A damaged index that puts a frame elsewhere repeated the frame before, for as long as the index said.
- Results with other numbers than the run wrote were read as if they were the run's.
- A detector that gave NaN saw nothing, without a word; one with an input of 2³¹ pixels gave a traceback, as did a
  comparison with damaged facts, and a page that could not be written.
- A folder or a loop among stored rows gave a sentence that nobody could understand.
- A run that was killed left its folder for a minute, and its rows for ever where it was killed as it tidied up.
- A shard that did not fit on the disk left its half.
- Frames that refer to one that FFmpeg had to patch were handed out; now they are refused up to the next keyframe.
- The script of the review's load asked for ever with a name that the server refuses.
- The page of compared models linked to whatever address its manifest gave for a model's own report.
- pip-audit calls packages that it could not look up clean: the audit in `make check` counts them as not audited.
"""


def main() -> None:
    """The page, with the sections whose results are there."""
    inputs, killed, load, apart = map(_cells, ("hostile_inputs", "killed_runs", "review_load", "decode_apart"))
    text = INTRO + INPUTS + "".join(f"{line}\n" for line in _inputs(inputs)) + "\n" + FAULTS
    if killed:
        text += "## Killed\n\n" + "".join(f"{line}\n" for line in _killed(killed)) + "\n"
    text += "## Attacks\n\n" + "".join(f"{line}\n" for line in _attacks()) + "\n"
    text += "## Load\n\n" + "".join(f"{line}\n" for line in _load(load)) + "\n"
    if apart:
        text += "## What decoding apart costs\n\n" + "".join(f"{line}\n" for line in _apart(apart)) + "\n"
    PAGE.write_text(text + NUMBERS + CAPTUM + FOUND, encoding="utf-8")


def _cells(name: str) -> Cells:
    path = RESULTS / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))["cells"]) if path.is_file() else {}


def _inputs(cells: Cells) -> Iterator[str]:
    for cell in cells.values():
        found = cell["findings"]
        left_out = "".join(f" Left out: {reason}." for reason in found.get("left_out", {}).values())
        yield f"{found['cases']} cases, a case named by what is damaged, how, and a number.{left_out}"
        yield ""
        yield "| what was damaged | " + " | ".join(OUTCOMES) + " |"
        yield "| --- |" + " --- |" * len(OUTCOMES)
        for room, counts in found["rooms"].items():
            yield f"| {room} | " + " | ".join(str(counts.get(outcome, 0)) for outcome in OUTCOMES) + " |"
        yield "| all | " + " | ".join(f"**{found['outcomes'].get(outcome, 0)}**" for outcome in OUTCOMES) + " |"


def _attacks() -> Iterator[str]:
    yield "Most are on the review, some on pages and files. Each is a test below `tests/`."
    yield ""
    yield "| attack | what happens | test |"
    yield "| --- | --- | --- |"
    for attack, answer, test in ATTACKS:
        if not (ROOT / "tests" / test).is_file():
            raise SystemExit(f"the page names a test that is gone: {test}")
        yield f"| {attack} | {answer} | `{test}` |"


def _killed(cells: Cells) -> Iterator[str]:
    found = cells["kills"]["findings"]
    held = found["clips_held"]
    yield "`benchmarks/killed_runs.py`; a few kills run in the suite (`tests/study/test_resume.py`)."
    yield ""
    yield f"{found['kills']} whole processes of `videotcav run` ({found['clips']} clips, two layers) were killed by"
    yield "SIGKILL at random moments of their own progress, half of them while rows came in;"
    yield f"{found['with_all_they_started']} of them with all that they had started, the others alone."
    yield f"The next run found the rows of no clip {held.get('none', 0)} times, of some {held.get('some', 0)} times,"
    yield f"of all {held.get('all', 0)} times. After up to three kills in a row the same command was let to its end,"
    yield f"{found['ended']} times ({found['complete_already']} of them all was done already, and the command said so):"
    yield ""
    yield "| what | times |"
    yield "| --- | --- |"
    yield f"| results or media with other bytes than those of a run that nobody killed | **{found['other_bytes']}** |"
    yield f"| clips passed again although their rows lay there | **{found['clips_passed_again']}** |"
    yield f"| another exit code than 0, or 1 where all was done already | **{found['other_codes']}** |"
    yield f"| processes that outlived their run by 20 s | **{found['strays']}** |"
    yield f"| folders or files left beside the run | **{found['left_behind']}** |"


def _load(cells: Cells) -> Iterator[str]:
    yield "`benchmarks/review_load.py`."
    if "decisions" in cells:
        found, here = cells["decisions"]["findings"], cells["decisions"]["machine"]
        yield ""
        yield (
            f"{found['decisions']} decisions by {found['reviewers']} reviewers at once over HTTP, the server killed "
            f"(SIGKILL) {found['kills']} times under them: **{found['lost']} lost, {found['doubled']} doubled**; "
            f"{found['sent_again']} requests were sent again, {found['decisions_per_second']:.0f} decisions a second "
            f"({here['processor']}, {here['cores']} cores, load {here['load']:.0f})."
        )
    if "candidates" in cells:
        found, here = cells["candidates"]["findings"], cells["candidates"]["machine"]
        yield ""
        yield f"A folder of {found['candidates']} candidates, two clips each (load {here['load']:.0f}):"
        yield ""
        yield "| step | seconds |"
        yield "| --- | --- |"
        for name, value in found.items():
            if name.endswith("_seconds"):
                yield f"| {name.removesuffix('_seconds').replace('_', ' ')} | {value:.2f} |"
    if "seen" in cells:
        found, here = cells["seen"]["findings"], cells["seen"]["machine"]
        yield ""
        yield f"The same folder as a person sees it, in Chromium (load {here['load']:.0f}), typing a name not counted:"
        yield ""
        yield "| from, to | seconds |"
        yield "| --- | --- |"
        for steps, name in SEEN.items():
            yield f"| {steps} | {found[f'{name}_seconds']:.1f} |"
        yield (
            f"| a step of scrolling ({found['cards_at_once']} cards in the page) | "
            f"{found['scroll_milliseconds'] / 1000:.2f} |"
        )


def _apart(cells: Cells) -> Iterator[str]:
    yield "`benchmarks/decode_apart.py`: clips read by a worker and inside the calling process, by turns, one thread,"
    yield "each clip from a file of its own; both on one core. Quartiles and medians."
    yield ""
    yield "| video | inside, ms a clip | apart, ms a clip | load |"
    yield "| --- | --- | --- | --- |"
    for title, cell in cells.items():
        clips = cell["conditions"]["clips"]
        taken = [cell["contestants"][mode]["wall_seconds"] for mode in ("inside", "apart")]
        shown = [
            " to ".join(f"{1000 * seconds / clips:.1f}" for seconds in each["quartiles"])
            + f" (median {1000 * each['median'] / clips:.1f})"
            for each in taken
        ]
        yield f"| {title} | {shown[0]} | {shown[1]} | {cell['machine']['load']:.0f} |"


if __name__ == "__main__":
    main()
