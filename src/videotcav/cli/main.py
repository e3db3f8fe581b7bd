"""The commands.

Exit codes: 0 done; 1 something given does not fit (one sentence says what, where and what to do); 2 the command
line itself is wrong; 3 an audit found something; 130 interrupted; 143 ended by SIGTERM.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from videotcav import __version__
from videotcav.cli.audit import audit
from videotcav.cli.browser import Open, show
from videotcav.cli.cam import cam, faithfulness
from videotcav.cli.concepts import concepts
from videotcav.cli.console import Voice, command_line, parsed_bytes, show_warnings
from videotcav.cli.engines import Address, CpusPerWorker, EngineName, EngineOption, GpusPerWorker, Workers, engine_of
from videotcav.cli.init import init
from videotcav.cli.models import datasets, layers, models
from videotcav.cli.options import (
    BatchSize,
    Device,
    EventsOption,
    MemoryOption,
    PrecisionOption,
    Replace,
    ScoreOption,
    StoreOption,
    TargetOption,
)
from videotcav.cli.paper import paper
from videotcav.cli.plan import plan
from videotcav.cli.probe import probe
from videotcav.cli.runs import runs
from videotcav.cli.scores import scores
from videotcav.errors import NotEnoughMemory, VideotcavError, require_posix

if TYPE_CHECKING:
    from videotcav.report.comparison import Comparison
    from videotcav.results.read import RunResults

INTERRUPTED, TERMINATED = 130, 143
EVERYWHERE = ("--quiet", "-q", "--json", "--debug")

app = typer.Typer(
    name="videotcav",
    help="Why did the video model see that action?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 done, 1 an input does not fit, 2 wrong usage, 3 an audit found something, 130 interrupted.",
)
planted = typer.Typer(
    help="The bundled ground truth: scenes and the small model trained on them.", no_args_is_help=True
)
app.add_typer(concepts, name="concepts")
app.add_typer(planted, name="planted")
app.command()(init)
app.command()(cam)
app.command()(faithfulness)
app.command()(models)
app.command()(datasets)
app.command()(layers)
app.command()(audit)
app.command()(plan)
app.command()(paper)
app.command()(probe)
app.command()(runs)
app.command()(scores)


def main() -> None:
    """Runs the command line and turns errors into one sentence and an exit code."""
    debug = "--debug" in sys.argv
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda word: word not in EVERYWHERE)  # before the command or behind it
    sys.path.append(str(Path.cwd()))  # a model may be the user's own package.module:build; last, so it hides nothing
    signal.signal(signal.SIGTERM, _end)
    try:
        require_posix()
        app()
    except SystemExit as ended:
        if ended.code in (INTERRUPTED, TERMINATED):
            Voice().say("interrupted; nothing was left half-written, and the same command goes on from here")
        raise
    except (VideotcavError, OSError) as error:
        if debug:
            raise
        Voice().fail(error)
        sys.exit(1)
    except MemoryError:
        if debug:
            raise
        Voice().fail(
            NotEnoughMemory("this needs more memory than there is: take fewer or smaller clips, or pool layers")
        )
        sys.exit(1)


def _end(*_: object) -> NoReturn:
    """What SIGTERM does: the way out that removes what is half-written."""
    raise SystemExit(TERMINATED)


def _say_version(asked: bool) -> None:
    if asked:
        print(f"videotcav {__version__}")  # noqa: T201 - the command's own output
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback speaks
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="The version, and nothing else.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no remarks.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The result as one JSON document on standard output.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="A traceback beside an error's sentence.")] = False,
) -> None:
    voice = context.obj = Voice(quiet=quiet, json=json, debug=debug)
    show_warnings(voice)


@app.command()
def demo(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the scenes and the run.")] = Path("demo"),
    *,
    open_page: Open = False,
) -> None:
    """Run the whole study on the bundled scenes and say where its report lies."""
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    voice: Voice = context.obj
    _conclude(voice, api.demo(output, command=command_line(), progress=voice.progress), open_page=open_page)


@app.command()
def run(
    context: typer.Context,
    study: Annotated[Path, typer.Argument(help="Study file (TOML).")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Run folder; runs/NAME by default.")] = None,
    *,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unreadable videos out, and record it.")] = False,
    store: StoreOption = None,
    memory: MemoryOption = "2GiB",
    events: EventsOption = None,
    target: TargetOption = None,
    score: ScoreOption = None,
    batch_size: BatchSize = None,
    device: Device = None,
    precision: PrecisionOption = "fp32",
    engine: EngineOption = EngineName.LOCAL,
    address: Address = None,
    workers: Workers = None,
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
    open_page: Open = False,
) -> None:
    """Run a study: which concepts move which class, at which layer, and how sure that is.

    A run that was killed goes on where it was when the same command is given again.
    """
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    voice: Voice = context.obj
    found = api.run(
        study,
        output,
        events=events,
        target=target,
        score=score,  # type: ignore[arg-type] # checked there
        device=device,
        precision=precision,  # type: ignore[arg-type] # checked there
        skip_bad=skip_bad,
        store=store,
        memory_bytes=parsed_bytes(memory),
        batch_size=batch_size,
        engine=engine_of(engine, address=address, workers=workers, cpus=cpus_per_worker, gpus=gpus_per_worker),
        command=command_line(),
        progress=voice.progress,
    )
    _conclude(voice, found, open_page=open_page)


@app.command()
def report(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run folder, as written by `videotcav run`.")],
    *,
    open_page: Open = False,
) -> None:
    """Rebuild a run's page from its results alone."""
    from videotcav import api  # noqa: PLC0415 - matplotlib is slow to import

    page = api.report(run)
    context.obj.result(str(page), {"report": page})
    show(context.obj, page, asked=open_page)


@planted.command("render")
def planted_render(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to write the scenes and the study file into.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the scenes.")] = 0,
    *,
    replace: Replace = False,
) -> None:
    """Render the bundled scenes to video files, with their boxes and a study file."""
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    api.render_demo(folder, seed=seed, replace=replace, progress=context.obj.progress)
    context.obj.result(str(folder / "study.toml"), {"study": folder / "study.toml"})


@app.command()
def intervene(
    context: typer.Context,
    study: Annotated[Path, typer.Argument(help="Study file (TOML).")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Run folder; runs/NAME by default.")] = None,
    *,
    objects: Annotated[
        str | None,
        typer.Option(
            help="Where the objects of the class clips are: a file of boxes or masks, or a detector. By default as the "
            "study's section interventions says."
        ),
    ] = None,
    preview: Annotated[
        Path | None, typer.Option(help="Only write edited clips beside their originals, into this new folder.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unreadable videos out, and record it.")] = False,
    store: StoreOption = None,
    batch_size: BatchSize = None,
    device: Device = None,
    precision: PrecisionOption = "fp32",
    engine: EngineOption = EngineName.LOCAL,
    address: Address = None,
    workers: Workers = None,
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
    open_page: Open = False,
) -> None:
    """Run a study and edit the objects of its classes' own clips: which concepts push the class, and which it needs."""
    from videotcav import api  # noqa: PLC0415 - torch is slow to import

    voice: Voice = context.obj
    found = api.intervene(
        study,
        output,
        objects=objects,
        preview=preview,
        device=device,
        precision=precision,  # type: ignore[arg-type] # checked there
        skip_bad=skip_bad,
        store=store,
        batch_size=batch_size,
        engine=engine_of(engine, address=address, workers=workers, cpus=cpus_per_worker, gpus=gpus_per_worker),
        command=command_line(),
        progress=voice.progress,
    )
    if isinstance(found, tuple):
        voice.result("\n".join(map(str, found)), {"videos": list(found)})
    else:
        _conclude(voice, found, open_page=open_page)


def _conclude(voice: Voice, run: RunResults | Comparison, *, open_page: bool) -> None:
    """The answer, the verdicts as sentences, and where the report lies."""
    from videotcav.report.answer import answer, trust  # noqa: PLC0415 - matplotlib is slow to import
    from videotcav.report.comparison import Comparison  # noqa: PLC0415 - as above
    from videotcav.report.hypotheses import hypothesis_answers  # noqa: PLC0415 - as above
    from videotcav.report.sentences import class_answers  # noqa: PLC0415 - as above

    page = run.folder / "report.html"
    if isinstance(run, Comparison):
        standings = [row.model_dump() for row in run.standings]
        voice.result(
            "\n".join([*run.sentences, "", str(page)]), {"run": run.folder, "report": page, "standings": standings}
        )
        show(voice, page, asked=open_page)
        return
    for remark in run.manifest.remarks:
        voice.say(f"warning: {remark}")
    sentences = [answer(run), " ".join(trust(run)), ""]
    sentences += [each.sentence for each in run.legs]
    sentences += [f"“{each.text}”: {each.in_words}. {each.sentence}" for each in hypothesis_answers(run)]
    sentences += [concept.short for answer in class_answers(run) for concept in answer.concepts]
    facts = {
        "run": run.folder,
        "report": page,
        "answer": sentences[0],
        "results": [result.as_row() for result in run.results],
    }
    voice.result("\n".join([*sentences, "", str(page)]), facts)
    show(voice, page, asked=open_page)
