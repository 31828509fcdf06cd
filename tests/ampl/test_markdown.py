"""Texts in Markdown: whatever is in them, they are read as they are, on one line."""

import pytest

from ampl.markdown import as_code, as_markdown, sentence_as_markdown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("hopper-medium-v2, 12 %", "hopper-medium-v2, 12 %"),
        ("a | b\n# c", r"a \| b # c"),
        ("<script>x</script>", r"\<script\>x\</script\>"),
        ("[a](javascript:b) *c* _d_ `e` \\f", r"\[a\](javascript:b) \*c\* \_d\_ \`e\` \\f"),
        ("\x1b[2J\x00", r"\\x1b\[2J\\x00"),
    ],
)
def test_marks_are_escaped_and_lines_joined(text: str, markdown: str) -> None:
    assert as_markdown(text) == markdown


def test_in_a_sentence_backquotes_are_code_and_spaces_around_it_stay() -> None:
    sentence = "`ampl train a_b` makes one in <b>; `x` too."
    assert sentence_as_markdown(sentence) == r"`ampl train a_b` makes one in \<b\>; `x` too."
    assert sentence_as_markdown("a ") == "a "


def test_code_with_backquotes_stands_between_more_of_them() -> None:
    assert as_code("ampl verify --replay 'exp [v2]/a.npz'") == "`ampl verify --replay 'exp [v2]/a.npz'`"
    assert as_code("a`b``c\n") == r"``` a`b``c\n ```"
