from runs.ledger import SubmissionLedger


def _ledger(*tokens: str) -> SubmissionLedger:
    ledger = SubmissionLedger()
    for token in tokens:
        ledger.begin(token)
    return ledger


def test_submissions_are_numbered_in_their_order() -> None:
    """The latest is the one whose outcome is waited for."""
    ledger = _ledger("a", "b")
    assert (ledger.count, ledger.latest_token) == (2, "b")


def test_news_of_a_strange_token_is_no_news() -> None:
    """Only who knows a submission's secret can say what became of it."""
    ledger = _ledger("a")
    ledger.announce("guess", "v1_x")
    assert ledger.found() is None
    assert ledger.orphans(own=()) == ()


def test_the_latest_news_is_adopted_and_earlier_ones_are_orphans() -> None:
    """Two submissions that both turn out to have run leave one report and one orphan to name."""
    ledger = _ledger("a", "b")
    ledger.announce("b", "v1_b")
    ledger.announce("a", "v1_a")
    assert ledger.found() == "v1_b"
    assert ledger.orphans(own=["v1_b"]) == ("v1_a",)


def test_an_open_outcome_stays_open_until_it_is_named() -> None:
    """As long as nobody says what an unknown submission became, something may be running."""
    ledger = _ledger("a")
    ledger.leave_open()
    ledger.begin("b")
    assert ledger.unnamed == 1
    ledger.announce("a", "v1_a")
    assert ledger.unnamed == 0


def test_a_person_may_name_it_too() -> None:
    """What was adopted by hand is open no more."""
    ledger = _ledger("a")
    ledger.leave_open()
    ledger.settle_latest()
    assert ledger.unnamed == 0


def test_news_of_an_earlier_turn_is_no_answer_to_the_next() -> None:
    """What a submission of an earlier turn became is an orphan, and is not adopted for a later one."""
    ledger = _ledger("a")
    ledger.begin_turn()
    ledger.begin("b")
    ledger.announce("a", "v1_a")
    assert ledger.found() is None
    assert ledger.orphans(own=()) == ("v1_a",)
