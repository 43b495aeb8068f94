"""What can go wrong with artifacts.

::

    ArtifactsError
    ├── InvalidKey          a key or address that names no file of this store
    ├── ArtifactNotFound    no file is kept under the key
    ├── ArtifactTooLarge    the file is longer than the caller takes
    ├── InvalidMedia        media that cannot be decoded, or is longer than allowed
    └── StoreUnavailable    the store cannot be read or written now, or ever

No message holds a store's whole answer or a URL's query: both have been seen to carry credentials.
"""


class ArtifactsError(Exception):
    """Anything this package raises on purpose."""


class InvalidKey(ArtifactsError):
    """The key or address names no file of this store."""


class ArtifactNotFound(ArtifactsError):
    """No file is kept under ``key``."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no artifact {key}")
        self.key = key


class ArtifactTooLarge(ArtifactsError):
    """The file under ``key`` has ``size_bytes``; the caller takes ``max_bytes``."""

    def __init__(self, key: str, *, size_bytes: int, max_bytes: int) -> None:
        super().__init__(f"artifact {key} has {size_bytes} bytes; the limit is {max_bytes}")
        self.key = key
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes


class InvalidMedia(ArtifactsError):
    """Media that cannot be decoded, or is longer than allowed."""


class StoreUnavailable(ArtifactsError):
    """The store could not be read or written.

    Attributes:
        is_final: Trying again is of no use until somebody changes something: permission, space, bucket,
            credentials, address.
    """

    def __init__(self, message: str, *, is_final: bool) -> None:
        super().__init__(message)
        self.is_final = is_final
