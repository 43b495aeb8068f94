"""Results as Markdown tables, for a terminal and for documents alike."""


class Table:
    """One table and its verdict.

    Args:
        title: Stands above it.
    """

    def __init__(self, title: str) -> None:
        self.is_good = True
        self._title = title
        self._rows: list[tuple[str, ...]] = []
        self._notes: list[str] = []

    def head(self, *columns: str) -> None:
        """Name the columns."""
        self._rows.insert(0, columns)

    def row(self, *cells: object) -> None:
        """Add a row."""
        self._rows.append(tuple(str(cell) for cell in cells))

    def note(self, text: str) -> None:
        """Add a line below."""
        self._notes.append(text)

    def check(self, is_good: bool, /) -> None:
        """Remember whether the promise was kept; once broken, it stays broken."""
        self.is_good = self.is_good and is_good

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(*self._rows, strict=True)]
        lines = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in self._rows
        ]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        verdict = [] if self.is_good else ["PROMISE BROKEN"]
        return "\n".join(["", f"### {self._title}", "", *lines, "", *self._notes, *verdict])
