import pytest

from tools.docstrings import parse_docstring


def test_what_comes_before_the_sections_is_the_description() -> None:
    """The model reads the whole of it, and nothing about errors or examples."""
    parsed = parse_docstring(
        """Look up a city.

        Cities of the gazetteer only.

        Args:
            city: Its name.

        Raises:
            ToolError: No such city.
        """
    )
    assert parsed.description == "Look up a city.\n\nCities of the gazetteer only."
    assert parsed.parameters == {"city": "Its name."}


@pytest.mark.parametrize("heading", ["Args", "Arguments"])
def test_a_parameter_is_described_in_one_line(heading: str) -> None:
    """Lines that are indented further go on with the one above; a type in brackets says nothing new."""
    parsed = parse_docstring(
        f"""Look up.

        {heading}:
            city (str): Its name,
                as people write it: with accents.

            limit: At the most.
        Returns:
            found: Cities.
        """
    )
    assert parsed.parameters == {
        "city": "Its name, as people write it: with accents.",
        "limit": "At the most.",
    }


def test_another_style_is_all_description() -> None:
    """It still tells the model; nothing is lost."""
    text = "Look up.\n\n:param city: Its name."
    assert parse_docstring(text).description == text


def test_a_word_with_a_colon_is_no_section() -> None:
    """A description may say anything."""
    assert parse_docstring("Look up.\n\nNote: slow.").description == "Look up.\n\nNote: slow."
