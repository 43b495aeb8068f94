"""Working up an answer in a process of its own, with less and less of what turns out not to be possible."""

import hashlib
from typing import Final

from activities import failures
from activities.working_up import Part, Work, WorkedUp, not_worked_up, work_up
from interactions.responses import Interaction
from isolation.lanes import BusyError, Lanes
from isolation.pool import CutShort
from runs.errors import RunErrorCode

_BUSY_AGAIN_S: Final = 20.0
"""Until there is room for another try: about as long as one takes."""


async def work_up_apart(work: Work, interaction: Interaction, lanes: Lanes) -> WorkedUp:
    """Return what the answer comes to, without whatever could not be done of it within its limits.

    Repeating this gives the same but for the machine's luck: what takes too long does so everywhere, and is
    told in the notes instead of being tried by one worker after the other.

    Args:
        work: The answer.
        interaction: That is settled.
        lanes: Where it is done.

    Raises:
        ApplicationError: type ``NotSettled``: too many others wait for a second try, or this worker can start
            no process; to be settled again, perhaps by another one.
    """
    left_out: dict[Part, str] = {}
    digest = hashlib.sha256(work.document).hexdigest()
    while True:
        key = ":".join((work.settling.artifacts_prefix, digest, *left_out))
        try:
            return await lanes.run(key, work_up, work, left_out)
        except BusyError:
            raise failures.not_settled(
                "the answer takes long to work up, and others before it do so, too",
                code=RunErrorCode.INTERNAL,
                retry_after_s=_BUSY_AGAIN_S,
            ) from None
        except CutShort as error:
            if not error.has_begun:
                # The worker's trouble, and nothing of the answer's, which is paid for.
                raise failures.not_settled(
                    f"the answer could not be worked up here: {error}",
                    code=RunErrorCode.INTERNAL,
                    retry_after_s=_BUSY_AGAIN_S,
                ) from None
            part = Part(error.stage or Part.ANSWER)
            if part is Part.ANSWER or part in left_out:
                return not_worked_up(interaction, str(error))
            left_out[part] = str(error)
