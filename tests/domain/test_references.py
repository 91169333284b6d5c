"""References that people copy: typing errors are told."""

from hypothesis import given
from hypothesis import strategies as st

from sevres_familles.domain.references import (
    ALPHABET,
    PASSWORD_LENGTH,
    check_character,
    has_printed_shape,
    is_closed,
    is_printed_password,
    random_payment_reference,
    random_printed_password,
)

bodies = st.text(ALPHABET, min_size=15, max_size=15)


def test_the_alphabet_leaves_out_what_is_mistaken():
    assert len(ALPHABET) == 31
    assert not set(ALPHABET) & set("0O1IL")


@given(bodies, st.integers(0, 15), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_told(body, place, other):
    text = body + check_character(body)
    wrong = text[:place] + other + text[place + 1 :]

    assert is_closed(wrong) == (wrong == text)


@given(bodies, st.integers(0, 13))
def test_two_neighbours_that_changed_places_are_told(body, place):
    text = body + check_character(body)
    wrong = text[:place] + text[place + 1] + text[place] + text[place + 2 :]

    assert is_closed(wrong) == (wrong == text)


def test_a_printed_password_is_four_groups_of_four():
    drawn = random_printed_password()

    assert [len(group) for group in drawn.split("-")] == [4, 4, 4, 4]
    assert is_printed_password(drawn)


def test_it_is_known_however_it_is_typed():
    drawn = random_printed_password()

    for typed in (drawn.lower(), drawn.replace("-", " "), drawn.replace("-", ""), f" {drawn} "):
        assert is_printed_password(typed)


def test_a_confused_letter_keeps_the_shape_and_is_told():
    drawn = random_printed_password()
    typed = "0" + drawn[1:]

    assert has_printed_shape(typed)
    assert not is_printed_password(typed)


@given(st.text(max_size=40))
def test_only_sixteen_characters_have_the_shape(text):
    letters = [each for each in text if not each.isspace() and each not in "-‐‑–—"]
    if len("".join(letters).upper()) != PASSWORD_LENGTH:
        assert not has_printed_shape(text)


def test_a_payment_reference_has_a_check_character():
    reference = random_payment_reference()

    assert reference.startswith("P-")
    assert is_closed(reference.removeprefix("P-"))
