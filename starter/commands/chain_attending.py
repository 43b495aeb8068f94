"""What in a chain waits for a person, put to that person."""

from collections.abc import Iterable

from temporalio.client import Client

from chains.messages import StepView
from starter import chain_formats
from starter.chains import decide_step
from starter.commands.attending import Attending
from starter.output import Output
from starter.progress import Shows
from starter.prompting import Ask, ask_line
from starter.views import ChainView


class ChainAttendant(Attending[ChainView, StepView]):
    """Shows each view of a chain, and asks about the steps that need approval.

    Args:
        client: Of the chain's namespace.
        output: Where things are told.
        progress: Where views are shown.
        is_sure: Whether everything is approved without asking.
        ask: How questions are put.
    """

    def __init__(
        self,
        client: Client,
        output: Output,
        progress: Shows[ChainView],
        *,
        is_sure: bool = False,
        ask: Ask = ask_line,
    ) -> None:
        super().__init__(output, progress, ask=ask)
        self._client = client
        self._is_sure = is_sure

    @property
    def _is_answering(self) -> bool:
        return self._is_sure or super()._is_answering

    def _waiting_in(self, view: ChainView) -> Iterable[tuple[tuple[str, ...], StepView]]:
        return (((step.name,), step) for step in view.waiting)

    def _tell(self, view: ChainView, item: StepView) -> None:
        for line in chain_formats.waiting_lines(item):
            self._output.say(line)
        if not self._is_answering:
            for command in chain_formats.deciding_commands(view, item):
                self._output.say(f"  {command}")

    async def _talk_about(self, view: ChainView, item: StepView) -> None:
        if self._is_sure:
            await decide_step(self._client, view.chain_id, item.name, is_approved=True)
            return
        while True:
            match (await self._ask("Approve? [y]es, [n]o, [l]eave it: ")).lower():
                case "y" | "yes":
                    await decide_step(self._client, view.chain_id, item.name, is_approved=True)
                    return
                case "n" | "no":
                    why = await self._ask("Why not? ")
                    await decide_step(self._client, view.chain_id, item.name, is_approved=False, note=why)
                    return
                case "" | "l" | "leave":
                    command = chain_formats.deciding_commands(view, item)[0]
                    self._output.say(f"Left as it is; decide with: {command}")
                    return
                case _:
                    continue
