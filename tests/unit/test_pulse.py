"""What a test forgives a machine: gaps between beats, beyond what a beat takes, in the worst span."""

from __future__ import annotations

import pytest

from tests.support.pulse import AT_ONCE, PERIOD, most_late

BEAT = PERIOD + AT_ONCE


@pytest.mark.parametrize(
    ("gaps", "span", "late"),
    (
        ((), 1.0, 0.0),
        ((BEAT, BEAT / 2, BEAT), 1.0, 0.0),
        ((BEAT, BEAT + 0.4, BEAT), 1.0, 0.4),
        ((BEAT + 0.4, BEAT + 0.2), 1.0, 0.6),
        ((BEAT + 0.4, 5.0, BEAT + 0.2), 1.0, 5.0 - BEAT + 0.2),
        ((BEAT + 0.2, *[BEAT] * 20, BEAT + 0.4), 1.0, 0.4),
    ),
)
def test_gaps_beyond_a_beat_are_summed_within_a_span(gaps: tuple[float, ...], span: float, late: float) -> None:
    beats = [10.0]
    for gap in gaps:
        beats.append(beats[-1] + gap)
    assert most_late(beats, span) == pytest.approx(late)
    assert most_late(beats[:1], span) == 0.0
