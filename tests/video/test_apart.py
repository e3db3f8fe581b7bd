"""FFmpeg apart: what happens to its process does not happen to the study."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from videotcav.errors import VideoError, VideotcavError
from videotcav.video import apart, worker
from videotcav.video.apart import Apart
from videotcav.video.decode import Decoder
from videotcav.video.info import VideoInfo
from videotcav.video.read import VideoFile, read_all
from videotcav.video.segment import segment_path


@pytest.fixture(autouse=True)
def pool(monkeypatch):
    """Workers of this test's own."""
    pool = apart._Pool()
    monkeypatch.setattr(apart, "_POOL", pool)
    yield pool
    pool.close()


@pytest.fixture
def dying(tmp_path, monkeypatch):
    """Workers that run a line of Python when they are asked for frames of a file, as a crash in FFmpeg would."""

    def die(line: str) -> None:
        (tmp_path / "sitecustomize.py").write_text(
            textwrap.dedent(f"""
            import ctypes, os, signal, sys, time
            from pathlib import Path
            if "videotcav.video.worker" in " ".join(sys.orig_argv):
                from videotcav.video.decode import Decoder
                whole = Decoder.frames
                def frames(self, ranks):
                    if "bad" in self.path.name:
                        {line}
                    return whole(self, ranks)
                Decoder.frames = frames
            """)
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    return die


def test_apart_and_inside_are_the_same(encode):
    path = encode("same.mp4", 20, b_frames=2, keyframe_every=6)
    inside, outside = Decoder(path), Apart(path)
    np.testing.assert_array_equal(inside.times, outside.times)
    assert (inside.duration_seconds, inside.tick_seconds) == (outside.duration_seconds, outside.tick_seconds)
    np.testing.assert_array_equal(inside.frames([7, 3, 7]), outside.frames([7, 3, 7]))
    for mine, theirs in zip(inside.stream(2, 9), outside.stream(2, 9), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert inside.decoded == outside.decoded


def test_one_worker_reads_file_after_file_and_parts_of_them(encode, pool):
    """To begin one takes longer than a short clip does; one that has more to say cannot be kept."""
    whole, other = encode("whole.mp4", 20), encode("other.mp4", 20)
    found, workers = [], []
    for path in (whole, segment_path(whole, 0.4, 1.0), other, segment_path(other, 0.0, 0.6)):
        found.append(len(list(VideoFile(path).stream())))
        workers.append([each.process.pid for each in pool.waiting])
    assert found == [20, len(VideoFile(segment_path(whole, 0.4, 1.0)).times), 20, found[3]]
    assert 0 < found[3] < 20
    assert workers == [workers[0]] * 4
    assert len(workers[0]) == 1


def test_decoding_inside_is_one_word_away(encode, monkeypatch):
    monkeypatch.setenv("VIDEOTCAV_DECODE", "inside")
    assert isinstance(VideoFile(encode("inside.mp4", 3))._decoder, Decoder)


def test_a_crash_is_one_files_sentence_and_the_next_file_is_read(encode, dying, capfd):
    bad, good = encode("bad.mp4", 3), encode("good.mp4", 3)
    dying("ctypes.string_at(0)")
    with pytest.raises(VideoError, match=r"crashes FFmpeg \(SIGSEGV\)") as caught:
        read_all(bad)
    assert caught.value.path == str(bad)
    assert len(read_all(good)[0]) == 3
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "needs more memory"),
        (IndexError("tuple index out of range"), "cannot be decoded (IndexError: tuple index out of range)"),
    ],
)
def test_whatever_goes_wrong_there_is_an_answer(monkeypatch, error, says):
    def fail(path):
        raise error

    monkeypatch.setattr(worker, "Decoder", fail)
    ((facts, array),) = worker._answered({"task": "open", "path": "x.mp4", "state": None})
    assert says in facts["reason"]
    assert array is None


def test_a_file_that_keeps_ffmpeg_busy_for_ever_is_given_up(encode, dying, monkeypatch):
    bad, good = encode("bad.mp4", 3), encode("good.mp4", 3)
    dying("time.sleep(3600)")
    video = VideoFile(bad)
    monkeypatch.setattr(apart, "SLOWEST_ANSWER_SECONDS", 0.2)
    with pytest.raises(VideoError, match="keeps FFmpeg busy"):
        video.frames([0])
    monkeypatch.setattr(apart, "SLOWEST_ANSWER_SECONDS", 60.0)
    assert len(read_all(good)[0]) == 3


def test_a_worker_that_somebody_killed_is_replaced_and_the_file_is_not_blamed(encode, pool, indices):
    video = VideoFile(encode("x.mp4", 5))
    for waiting in pool.waiting:
        os.kill(waiting.process.pid, signal.SIGKILL)
    assert indices(video.frames([0, 4])) == [0, 4]


def test_a_stream_left_in_the_middle_troubles_nobody(encode, indices):
    video = VideoFile(encode("x.mp4", 30))
    stream = video.stream()
    next(stream)
    assert indices(video.frames([3])) == [3]  # beside it
    stream.close()
    assert indices(video.frames([4])) == [4]


def test_a_file_that_changes_under_way_is_named(encode):
    video = VideoFile(encode("x.mp4", 30))
    encode("x.mp4", 12)
    with pytest.raises(VideoError, match="has changed while it was read"):
        video.frames([20])


def test_a_file_that_vanishes_under_way_is_missed(encode):
    video = VideoFile(encode("x.mp4", 30))
    video.path.unlink()
    with pytest.raises(VideoError, match="there is no such file"):
        video.frames([20])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_starts_workers_of_its_own(encode):
    """Two processes that talked to one worker would get each other's frames."""
    path = encode("x.mp4", 5)
    code = f"""
import os
from videotcav.video.read import read_all
from videotcav.video.apart import _POOL
read_all({str(path)!r})
before = list(_POOL.waiting)
child = os.fork()
if not child:
    alone = _POOL.waiting == [] and len(read_all({str(path)!r})[0]) == 5
    _POOL.close()
    os._exit(0 if alone else 1)
assert os.waitpid(child, 0)[1] == 0
assert _POOL.waiting == before and len(read_all({str(path)!r})[0]) == 5
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).stderr == b""


def test_a_script_needs_no_guard_and_is_run_once(encode, tmp_path):
    """A script that is not written for `multiprocessing`, as the first one of most users."""
    script = tmp_path / "script.py"
    script.write_text(
        f"from videotcav.video.read import read_all\nprint(len(read_all({str(encode('x.mp4', 3))!r})[0]))\n"
    )
    assert subprocess.run([sys.executable, script], check=True, capture_output=True).stdout.split() == [b"3"]


def test_a_daemonic_process_reads_videos(encode):
    """Such as the workers of a data loader; they may not start processes of `multiprocessing`."""
    path = encode("x.mp4", 3)
    with multiprocessing.get_context("fork").Pool(1) as loader:
        frames, _ = loader.apply_async(read_all, (path,)).get(timeout=60)
    np.testing.assert_array_equal(frames, read_all(path)[0])


def test_a_worker_ends_with_whoever_asks(encode):
    """Killed outright, the caller ends nobody: the worker hears that its questions have ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "videotcav.video.worker"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    process.stdin.close()
    assert process.wait(timeout=60) == 0


def test_questions_and_answers_carry_every_path(encode, tmp_path):
    """Also such as are no text: file names are bytes."""
    odd = tmp_path / os.fsdecode(b"caf\xe9 \n \xf0\x9f\x8e\xbe 'x'.mp4")
    encode("x.mp4", 3).rename(odd)
    assert len(read_all(odd)[0]) == 3


def test_a_record_made_apart_is_valid(encode):
    info = VideoFile(encode("x.mp4", 3)).info()
    assert VideoInfo.model_validate(json.loads(info.model_dump_json())) == info


def test_memory_is_bounded_where_ffmpeg_runs(monkeypatch):
    resource = pytest.importorskip("resource")
    set_to = {}
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", lambda what, bounds: set_to.update({what: bounds}))
    worker._bound_memory()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert set_to == {resource.RLIMIT_AS: (memory // 2, resource.RLIM_INFINITY)}


def test_a_fault_of_ours_is_not_the_files(encode, dying):
    """As when a PyAV of tomorrow no longer takes an argument."""
    dying('raise TypeError("open() got an unexpected keyword argument")')
    with pytest.raises(VideotcavError, match=r"through no fault of its own: TypeError: open\(\) got.*PyAV") as caught:
        VideoFile(encode("bad.mp4")).frames([0])
    assert not isinstance(caught.value, VideoError)
