"""What is stored is what was known."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from sevres_familles.domain import family, invoice, ledger
from sevres_familles.domain.money import Money
from sevres_familles.domain.references import ALPHABET, PAYMENT_PREFIX

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
money = st.integers(-(10**9), 10**9).map(Money)
dates = st.dates(date(1900, 1, 1))

addresses = st.builds(family.Address, texts, texts, texts, texts, texts)
guardians = st.builds(family.Guardian, texts, texts, texts, texts, texts, texts, texts, addresses, texts)
children = st.builds(family.Child, texts, st.none() | dates)
records = st.builds(
    family.FamilyRecord,
    st.lists(guardians, min_size=1, max_size=2).map(tuple),
    st.lists(children, max_size=3).map(tuple),
)
payment_references = st.text(ALPHABET, min_size=9, max_size=9).map(PAYMENT_PREFIX.__add__)
lines = st.builds(invoice.InvoiceLine, texts, texts, texts, money, money, st.booleans())
facts = st.builds(
    invoice.InvoiceFacts,
    st.builds(invoice.InvoiceKey, st.integers(1900, 2999), texts),
    texts,
    texts,
    dates,
    dates,
    texts,
    money,
    st.lists(lines, min_size=1, max_size=4).map(tuple),
)
figures = st.builds(
    invoice.BillingFigures,
    money,
    st.sampled_from(invoice.BillingState),
    st.lists(st.builds(invoice.CountedPayment, payment_references, money), max_size=3).map(tuple),
)
drafts = st.builds(
    ledger.Draft,
    st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
    st.sampled_from(ledger.EntryKind),
    st.just(ledger.LedgerAccount.FAMILY),
    st.just(ledger.LedgerAccount.BILLING),
    st.integers(1, 10**9).map(Money),
    st.none() | texts,
    texts,
)


@given(records)
def test_a_record_is_read_back_as_it_was(record):
    assert family.unpack_record(family.pack_record(record)) == record


@given(facts, st.data())
def test_an_invoice_is_read_back_as_it_was_however_its_lines_were_cut(known, data):
    cut = data.draw(st.integers(1, len(known.lines)))
    groups = [each for each in (known.lines[:cut], known.lines[cut:]) if each]

    packed = invoice.pack_facts(invoice.pack_head(known), *map(invoice.pack_lines, groups))

    assert invoice.unpack_facts(packed) == known
    assert packed == invoice.pack_facts(invoice.pack_head(known), invoice.pack_lines(known.lines))


@given(figures)
def test_figures_are_read_back_as_they_were(known):
    assert invoice.unpack_figures(invoice.pack_figures(known)) == known


@given(st.lists(drafts, max_size=4))
def test_a_journal_is_read_back_as_it_was_written_and_whole(written):
    entries = tuple(map(ledger.unpack_entry, ledger.append((), *written)))

    assert [entry.draft for entry in entries] == written
    ledger.check_chain(entries)
