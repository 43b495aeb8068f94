"""What kind of file something is, by its name and by its first bytes.

Source of the types:
    The contents of google-genai 3.4.0 and https://ai.google.dev/gemini-api/docs/file-input-methods, read
    2026-11-22. What the API merely converts to text is left to whoever attaches it.
"""

import mimetypes
from pathlib import PurePosixPath
from typing import Final

SUPPORTED: Final = (
    "PDF, text (also source code, Markdown, CSV, HTML, JSON, YAML, XML), "
    "images (PNG, JPEG, WebP, HEIC, GIF, BMP, TIFF), audio (WAV, MP3, AAC, M4A, FLAC, OGG, Opus, AIFF) "
    "and video (MP4, MOV, WebM, MPEG, AVI, WMV, FLV, 3GP)"
)

_MEDIA: Final = {
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".aac": "audio/aac",
    ".m4a": "audio/m4a",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/opus",
    ".aif": "audio/aiff",
    ".aiff": "audio/aiff",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mov",
    ".webm": "video/webm",
    ".mpeg": "video/mpeg",
    ".mpg": "video/mpg",
    ".avi": "video/avi",
    ".wmv": "video/wmv",
    ".flv": "video/x-flv",
    ".3gp": "video/3gpp",
}
"""Types by the names that the API has for them, which are not always the registered ones."""

_AS_TEXT: Final = frozenset(
    {
        *(
            ".json",
            ".jsonl",
            ".yaml",
            ".yml",
            ".toml",
            ".ini",
            ".cfg",
            ".xml",
            ".svg",
            ".tex",
            ".log",
            ".rst",
        ),
        *(
            ".sql",
            ".sh",
            ".go",
            ".rs",
            ".java",
            ".kt",
            ".swift",
            ".rb",
            ".php",
            ".ts",
            ".tsx",
            ".jsx",
            ".ipynb",
        ),
    }
)
"""Text that a media type table calls something else, or nothing. It is read as text."""

_TEXTS: Final = mimetypes.MimeTypes(filenames=())
"""Without this machine's own tables: the same file is the same kind everywhere."""
_TEXTS.add_type("text/markdown", ".md")

_Signature = tuple[tuple[int, bytes], ...]
"""What has to stand where."""

_ISO: Final[_Signature] = ((4, b"ftyp"),)
_SIGNATURES: Final[dict[str, tuple[_Signature, ...]]] = {
    "image/png": (((0, b"\x89PNG\r\n\x1a\n"),),),
    "image/jpeg": (((0, b"\xff\xd8\xff"),),),
    "image/webp": (((0, b"RIFF"), (8, b"WEBP")),),
    "image/heic": (_ISO,),
    "image/heif": (_ISO,),
    "image/gif": (((0, b"GIF8"),),),
    "image/bmp": (((0, b"BM"),),),
    "image/tiff": (((0, b"II*\0"),), ((0, b"MM\0*"),)),
    "audio/wav": (((0, b"RIFF"), (8, b"WAVE")),),
    "audio/flac": (((0, b"fLaC"),),),
    "audio/ogg": (((0, b"OggS"),),),
    "audio/opus": (((0, b"OggS"),),),
    "audio/aiff": (((0, b"FORM"), (8, b"AIF")),),
    "audio/m4a": (_ISO,),
    "video/mp4": (_ISO,),
    "video/3gpp": (_ISO,),
    "video/webm": (((0, b"\x1a\x45\xdf\xa3"),),),
    "video/avi": (((0, b"RIFF"), (8, b"AVI ")),),
    "video/wmv": (((0, b"\x30\x26\xb2\x75"),),),
    "video/x-flv": (((0, b"FLV"),),),
}
"""How files of a type begin. Types that are not here (MP3, AAC, MOV, MPEG) begin in too many ways to tell."""

_PDF_WITHIN: Final = 1_024
"""A PDF's mark may have other bytes before it (ISO 32000, annex H)."""

_CERTAIN: Final = (
    *("image/png", "image/jpeg", "image/webp", "image/gif", "image/tiff"),
    *("audio/wav", "audio/flac", "audio/ogg", "audio/aiff", "video/avi"),
)
"""Types whose beginning nothing else has, so that it can stand for a name that says nothing."""


def by_name(name: str) -> str | None:
    """Return the media type that ``name`` stands for; None where the API takes nothing of its kind."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _MEDIA:
        return _MEDIA[suffix]
    if suffix in _AS_TEXT:
        return "text/plain"
    # `strict`: only types that are registered; a packed file is not the kind it contains.
    media_type, encoding = _TEXTS.guess_type(f"name{suffix}", strict=True)
    return media_type if encoding is None and (media_type or "").startswith("text/") else None


def by_content(content: bytes) -> str | None:
    """Return the media type that ``content`` certainly is; None where it could be several, or none."""
    if _is_pdf(content):
        return "application/pdf"
    return next((kind for kind in _CERTAIN if fits(content, kind)), None)


def fits(content: bytes, media_type: str) -> bool:
    """Return whether ``content`` can be of ``media_type``, as far as its beginning shows."""
    if media_type == "application/pdf":
        return _is_pdf(content)
    signatures = _SIGNATURES.get(media_type)
    return signatures is None or any(
        all(content[at : at + len(mark)] == mark for at, mark in signature) for signature in signatures
    )


def _is_pdf(content: bytes) -> bool:
    return b"%PDF-" in content[:_PDF_WITHIN]
