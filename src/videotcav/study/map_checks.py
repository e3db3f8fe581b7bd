"""Whether the classes' scores follow the maps that a study shows, and which other maps they follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from videotcav.explain.cavs.gram import Floats
from videotcav.features.measure import ClipFile
from videotcav.maps import last_spatial_layer
from videotcav.maps.checked import ClipToCheck, MapCheck
from videotcav.maps.view import View
from videotcav.models.class_score import ClassScore
from videotcav.models.model import VideoModel
from videotcav.records import Progress
from videotcav.results.followed import Followed
from videotcav.study.file import CamSection, StudyFile
from videotcav.study.inputs import Inputs
from videotcav.study.reading import StudyClips


def map_badges(  # noqa: PLR0917 - one a stage of a study
    study: StudyFile,
    inputs: Inputs,
    model: VideoModel,
    score: ClassScore,
    pool: Floats,
    read: StudyClips,
    *,
    progress: Progress,
) -> tuple[Followed, ...]:
    """For each class the badge of the maps that are shown, and behind it those of others where it is not followed.

    The unit is the standard deviation of each class's score over the videos of the random `pool`, (video, class).
    """
    cam = study.cam
    if cam is None or not cam.checked:
        return ()
    check = MapCheck(model, score, negligible_below=study.tests.negligible_below, seed=study.seed)
    shown = _shown(cam, model)
    found: list[Followed] = []
    sigmas = dict(zip(inputs.classes, pool.std(axis=0, ddof=1).tolist(), strict=True))
    for name, files in inputs.classes.items():
        chosen = _spread(files, cam.checked)

        def clips(passes: int, name: str = name, chosen: Sequence[ClipFile] = chosen) -> Iterable[ClipToCheck]:
            what = f"checking maps of {name}, {passes} passes a clip"
            return progress(_read(chosen, name, inputs, read), what, total=len(chosen))

        found += check.search(clips, name, shown, sigma=sigmas[name], sigma_of="the random pool’s videos")
    return tuple(found)


def most_passes(study: StudyFile, inputs: Inputs, model: VideoModel) -> int:
    """How many forward passes all of this takes at most: where no class's score follows the maps that are shown."""
    if study.cam is None:
        return 0
    check, shown = MapCheck(model), _shown(study.cam, model)
    clips = sum(len(_spread(files, study.cam.checked)) for files in inputs.classes.values())
    others = check.others(shown)
    return clips * (check.passes_a_clip(shown) + (check.passes_a_clip(others, again=True) if others else 0))


def _shown(cam: CamSection, model: VideoModel) -> list[View]:
    return [View(method=cam.method, layer=cam.layer or last_spatial_layer(model))]


def _spread(files: Sequence[ClipFile], count: int) -> list[ClipFile]:
    """So many of the files, first views of as many sources as there are."""
    files = [file for file in files if not file.view]
    seen: dict[str, int] = {}
    order = []
    for place, file in enumerate(files):
        seen[file.source] = seen.get(file.source, 0) + 1
        order.append((seen[file.source], place))
    return [files[place] for _, place in sorted(order)[:count]]


def _read(files: Sequence[ClipFile], name: str, inputs: Inputs, read: StudyClips) -> Iterator[ClipToCheck]:
    for file in files:
        pixels = read(file.path, name, view=file.view, event_seconds=inputs.moments.get(file.path))
        yield ClipToCheck(file.name, file.source, pixels)
