"""Does a class's score follow the maps of a method at a layer? What was found, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from videotcav.records import Fraction, Record
from videotcav.results import words

FollowedVerdict = Literal["followed", "not followed", "not told"]

LEAST_SOURCES = 5
"""Of fewer source videos no set of sign flips is rarer than 5 %."""


class Followed(Record):
    """The badge of the maps of a method at a layer for a class (method.md 9).

    `strongest`, `random` and `random_weights` are what blurring a sixteenth of the clip takes from the class's score,
    in standard deviations `sigma` of it: where a map is strongest, at random places, and where the same map of the
    network with random weights is strongest. They are means over the clips that the model gives to the class, `right`
    of `clips`, of `sources` videos. `p_random` and `p_random_weights` are one-sided: of the nulls that the first costs
    no more than the second by over `negligible_below`, and no more than the third. What cannot be told is None, for
    the `reason`. `sigma_of` says whose standard deviation the unit is.
    """

    method: str
    layer: str
    class_name: str
    verdict: FollowedVerdict
    reason: str = ""
    clips: int
    right: int
    sources: int
    sigma: float
    sigma_of: str
    negligible_below: float
    strongest: float | None = None
    random: float | None = None
    random_weights: float | None = None
    p_random: Fraction | None = None
    p_random_weights: Fraction | None = None

    @property
    def map(self) -> str:
        """The method and the layer, where it reads one."""
        return self.method if self.layer == "pixels" else f"{self.method} at {self.layer}"

    @property
    def p(self) -> float | None:
        """Both nulls must fall: the larger p."""
        both = [p for p in (self.p_random, self.p_random_weights) if p is not None]
        return max(both, default=None)

    @property
    def excess(self) -> float:
        """How much more the strongest tubelet costs than either other."""
        if self.strongest is None or self.random is None or self.random_weights is None:
            return 0.0
        return self.strongest - max(self.random, self.random_weights)

    @property
    def sentence(self) -> str:
        """The verdict with its numbers."""
        if self.verdict == "not told":
            return f"Not told whether the score of “{self.class_name}” follows maps of {self.map}: {self.reason}."
        does = "follows" if self.verdict == "followed" else "does not follow"
        strongest, random, weights = map(words.number, (self.strongest, self.random, self.random_weights))
        return (
            f"The score of “{self.class_name}” {does} maps of {self.map}: blurring a sixteenth of the clip takes "
            f"{strongest} σ from it where the map is strongest, {random} σ at random places and {weights} σ where the "
            f"map of the network with random weights is strongest (p {words.p_value(self.p)}; {self.right} of "
            f"{self.clips} clips, which the model gets right, of {self.sources} videos; σ is the score’s standard "
            f"deviation over {self.sigma_of})."
        )


def offered(badges: Sequence[Followed]) -> Followed | None:
    """Of the maps that are followed, those whose strongest part costs most beyond the others; None without any."""
    followed = [badge for badge in badges if badge.verdict == "followed"]
    return max(followed, key=lambda badge: badge.excess, default=None)


def above_maps(badges: Sequence[Followed]) -> str:
    """What is said above maps of one class, of which the first badge is; the other maps were tried beside them."""
    shown, *others = badges
    better = offered(others)
    if shown.verdict != "not followed" or not others:
        return shown.sentence
    if better is None:
        return f"{shown.sentence} Nor does it follow any of {len(others)} other maps that were tried."
    return f"{shown.sentence} It follows those of {better.map}: show these."
