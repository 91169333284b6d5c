"""Long lists, a page at a time."""

import pytest
from pyramid.httpexceptions import HTTPNotFound
from pyramid.testing import DummyRequest

from sevres_familles.web.paging import page_of


def paging(page, length, size=24):
    return page_of(DummyRequest(params={} if page is None else {"page": page}), length, size)


def test_an_address_without_a_page_asks_for_the_first():
    first = paging(None, 30)

    assert (first.number, first.start, first.end, first.newer, first.older) == (1, 0, 24, None, 2)


def test_the_last_page_holds_what_is_left():
    last = paging("2", 30)

    assert (last.start, last.end, last.newer, last.older) == (24, 30, 1, None)


def test_a_full_page_is_followed_by_none():
    assert paging(None, 24).older is None


def test_an_empty_list_has_one_page():
    assert paging("1", 0).pages == 1


@pytest.mark.parametrize("page", ["0", "-1", "3", "deux", "", "1.0", "²", "99999999999", "1 "])
def test_a_page_that_is_not_there_does_not_exist(page):
    with pytest.raises(HTTPNotFound):
        paging(page, 30)
