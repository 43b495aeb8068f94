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


def test_what_was_sent_before_a_reset_is_an_orphan() -> None:
    """Named by the journal or by news of its token; until then it may be running. Never is it adopted."""
    ledger = _ledger("a")
    ledger.inherit("before", "v1_before")
    ledger.inherit("unanswered", None)
    assert (ledger.orphans(own=()), ledger.unnamed) == (("v1_before",), 1)
    ledger.announce("unanswered", "v1_late")
    assert (ledger.orphans(own=()), ledger.unnamed) == (("v1_before", "v1_late"), 0)
    assert ledger.found() is None
    assert ledger.count == 1


def test_a_submission_may_be_known_by_two_tokens() -> None:
    """It was sent under the one, and the run has made another since it was reset."""
    ledger = _ledger("a")
    ledger.leave_open()
    ledger.know_latest_as("before")
    ledger.announce("before", "v1_a")
    assert (ledger.found(), ledger.unnamed) == ("v1_a", 0)


def test_what_the_journal_names_is_named_once() -> None:
    """It lists the run's own, and what news have told already, too."""
    ledger = _ledger("a", "b")
    ledger.announce("a", "v1_a")
    ledger.name(["v1_a", "v1_b", "v1_c"])
    assert ledger.orphans(own=["v1_b"]) == ("v1_a", "v1_c")
