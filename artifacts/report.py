"""A run's report as the two files people read: ``report.md`` and ``report.html``.

Everything in a report was written by a model or a stranger. Rendering shows it and never obeys it: no
markup of theirs, no address but http and https, no request to anywhere when the page is opened.
"""

from artifacts.html import render_html
from artifacts.markdown import render_markdown

__all__ = ["render_html", "render_markdown"]
