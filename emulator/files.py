"""Files behind the addresses of media that were not delivered inline."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from emulator.contents import file_at
from emulator.credentials import check_credentials
from emulator.errors import not_found
from emulator.service import Emulator


class FileEndpoints:
    """Handlers over one emulator; there is no upload, and no list."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def routes(self) -> list[Route]:
        """The routes, relative to a version prefix."""
        return [Route("/files/{file_id}:download", self.download, methods=["GET"])]

    async def download(self, request: Request) -> Response:
        """``GET /files/{id}:download?alt=media``."""
        check_credentials(request)
        file_id = request.path_params["file_id"]
        interaction_id, _, number = file_id.partition(".")
        found = file_at(self._emulator.find(interaction_id), int(number)) if number.isdecimal() else None
        if found is None:
            raise not_found(f"File {file_id!r} not found.")
        mime_type, content = found
        return Response(content, media_type=mime_type)
