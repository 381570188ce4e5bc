"""Names of travelers read out of a sentence: only where every part is one."""

from __future__ import annotations

import pytest

from bot.offline.naming import names_in


@pytest.mark.parametrize(
    ("words", "reference", "names"),
    [
        ("The travelers are Ana Silva and Tom Meyer", "", ("Ana Silva", "Tom Meyer")),
        ("Names: João d'Ávila, Li Wei; Þóra Jónsdóttir.", "", ("João d'Ávila", "Li Wei", "Þóra Jónsdóttir")),
        ("the guests for tr-4f7k2m are Ana Silva, Tom Meyer", "TR-4F7K2M", ("Ana Silva", "Tom Meyer")),
        ("Our travellers will be Jean-Luc O'Neil", "", ("Jean-Luc O'Neil",)),
    ],
)
def test_names_are_read(words: str, reference: str, names: tuple[str, ...]) -> None:
    found = names_in(words)
    assert found is not None
    assert (found.reference, found.names) == (reference, names)


@pytest.mark.parametrize(
    "words",
    [
        "we are two travelers",
        "the guests are two adults and a child",
        "names: 4242 4242 4242 4242",
        "travelers are welcome?",
        "The names are Ana Silva and a boat on Saturday",
        "Ana Silva and Tom Meyer",
        "",
    ],
)
def test_what_is_no_list_of_names_is_left_alone(words: str) -> None:
    assert names_in(words) is None
