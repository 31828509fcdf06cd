"""Figure `conservatism`: which algorithms it calls conservative, and how often each is not."""

from pathlib import Path

from tests.figures.drawing.drawn_text import drawn, texts, words


def test_it_says_who_is_always_below_the_truth_and_who_with_the_most_data(tmp_path: Path) -> None:
    figure = drawn(tmp_path, "conservatism")
    found = texts(figure)
    assert "Always below the true return: careful" in found
    assert "With 10,000 transitions below it with every dataset: mixed; careful." in words(figure)
    counts = [text for text in found if text.startswith("above the truth")]
    assert sorted(counts) == [f"above the truth: {count} of 24" for count in (0, 24, 8)]
