"""What people say of answers, on its way to the records and the metrics."""

import hashlib
import json
import logging
import sys
import time
from typing import Protocol, TextIO

from slipway.errors import SlipwayError
from slipway.feedback import LONGEST_REASON, Opinion, Vote

logger = logging.getLogger("slipway.chat")
NAMESPACE = "Slipway/Chat"
_METRICS = {
    Opinion.UP: "ThumbsUp",
    Opinion.DOWN: "ThumbsDown",
    Opinion.WON: "ArenaVotes",
    Opinion.TIED: "ArenaTies",
}


class Client(Protocol):
    """What a ballot needs of `slipway.client.Slipway`."""

    def judge_answer(self, endpoint: str, vote: Vote, /) -> None: ...


class Ballot:
    """Votes lie with the release table, and are counted by CloudWatch out of the task's log.

    Args:
        log: where metrics are written, a line of JSON each.
    """

    def __init__(self, client: Client, endpoint: str, log: TextIO = sys.stdout) -> None:
        self._client, self._endpoint, self._log = client, endpoint, log

    def thumb(self, release_id: str, vote_id: str, opinion: Opinion, reason: str = "") -> bool:
        """Whether it was kept. A thumb that is lost is a line of the log; nobody's conversation stops for it."""
        return self._cast(self._endpoint, Vote(release_id, vote_id, opinion, reason[:LONGEST_REASON]))

    def duel(self, vote_id: str, left: tuple[str, str], right: tuple[str, str], winner: str) -> bool:
        """One vote between two answers; it counts for both releases.

        Args:
            left: the endpoint and the release that gave this answer; `right` alike.
            winner: `left`, `right` or `tie`.
        """
        kept = True
        for side, (endpoint, release), (_, rival) in (("left", left, right), ("right", right, left)):
            opinion = Opinion.TIED if winner == "tie" else Opinion.WON if winner == side else Opinion.LOST
            kept = self._cast(endpoint, Vote(release, vote_id, opinion, rival=rival)) and kept
        return kept

    def _cast(self, endpoint: str, vote: Vote) -> bool:
        try:
            self._client.judge_answer(endpoint, vote)
        except SlipwayError as error:
            logger.warning("vote not kept", extra={"endpoint": endpoint, "error": type(error).__name__})
            return False
        if metric := _METRICS.get(vote.opinion):
            self._log.write(json.dumps(metric_line(metric, endpoint, vote.release_id)) + "\n")
            self._log.flush()
        return True


def metric_line(name: str, endpoint: str, release_id: str) -> dict[str, object]:
    """One count in the embedded metric format. The release is a field and no dimension, so that metrics stay few.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = [{"Name": name, "Unit": "Count"}]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Endpoint"]], "Metrics": metrics}
    head = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": head, "Endpoint": endpoint, "releaseId": release_id, name: 1}


def vote_id_of(*parts: str) -> str:
    """The same for the same person and answer; it names neither."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]


def opinion_of(liked: object) -> tuple[Opinion, str] | None:
    """What a press of Gradio's buttons means: a thumb, or a reason, which counts as a thumb down.

    Args:
        liked: True, False, or the reason's own words.
    """
    if liked is True or liked == "Like":
        return Opinion.UP, ""
    if liked is False or liked == "Dislike":
        return Opinion.DOWN, ""
    return (Opinion.DOWN, liked) if isinstance(liked, str) and liked else None
