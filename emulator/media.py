"""Real pictures in small sizes: a bar chart, and one for any prompt."""

import io
import random
import unicodedata
from typing import Final, Literal

from PIL import Image, ImageDraw, ImageFont

_INK: Final = (32, 33, 36)
_GRID: Final = (218, 220, 224)
_BARS: Final = ((66, 133, 244), (52, 168, 83), (251, 188, 4), (234, 67, 53), (161, 66, 244))

ImageFormat = Literal["PNG", "JPEG"]

_SIZES: Final = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}


def _encoded(image: Image.Image, file_format: ImageFormat) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=file_format)
    return buffer.getvalue()


def _plain(text: str) -> str:
    # Pillow's built-in font draws boxes for anything else.
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def draw_chart(title: str, *, labels: list[str], values: list[float]) -> bytes:
    """A PNG bar chart."""
    width, height, left, bottom, top = 640, 360, 60, 300, 60
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    small, large = ImageFont.load_default(13), ImageFont.load_default(18)
    draw.text((left, 18), _plain(title)[:60], fill=_INK, font=large)
    peak = max(values)
    for tick in range(5):
        y = bottom - (bottom - top) * tick / 4
        draw.line((left, y, width - 20, y), fill=_GRID)
        draw.text((12, y - 8), f"{peak * tick / 4:.0f}", fill=_INK, font=small)
    slot = (width - 20 - left) / len(values)
    for index, (label, value) in enumerate(zip(labels, values, strict=True)):
        x = left + slot * index + slot * 0.2
        y = bottom - (bottom - top) * value / peak
        draw.rectangle((x, y, x + slot * 0.6, bottom), fill=_BARS[index % len(_BARS)])
        draw.text((x, bottom + 8), label, fill=_INK, font=small)
    return _encoded(image, "PNG")


def draw_picture(prompt: str, *, aspect_ratio: str, image_size: str, file_format: ImageFormat) -> bytes:
    """A picture that differs with the prompt and has the shape that was asked for."""
    across, _, down = aspect_ratio.partition(":")
    longest = _SIZES[image_size]
    scale = longest / max(int(across), int(down))
    width, height = max(1, round(int(across) * scale)), max(1, round(int(down) * scale))
    chance = random.Random(prompt)  # noqa: S311 - the same prompt shall give the same picture
    image = Image.new("RGB", (width, height), chance.choice(_BARS))
    draw = ImageDraw.Draw(image)
    for _ in range(24):
        x, y, radius = chance.randrange(width), chance.randrange(height), longest * chance.uniform(0.03, 0.2)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=chance.choice(_BARS))
    return _encoded(image, file_format)
