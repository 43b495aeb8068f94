"""What a tool may return beside text and JSON."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Image:
    """A picture for the model, such as a screenshot; alone, or in a list with texts and other pictures.

    Attributes:
        data: The encoded file, as a program would store it.
        media_type: What it is encoded as.
    """

    data: bytes = field(repr=False)
    media_type: Literal["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"] = "image/png"
