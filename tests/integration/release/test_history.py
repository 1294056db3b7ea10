"""From the release id in an answer back to the bytes, on the embedded AWS."""

import hashlib
import json

from tests.builders.artifacts import artifact
from tests.integration.release.conftest import BUCKET, Stack


def test_the_release_id_of_an_answer_leads_to_the_artifact_s_bytes_and_the_id_is_proved(stack: Stack) -> None:
    stack.call("receive_image", stack.push())
    files = artifact("v1")
    declared = [
        {"path": path, "sizeBytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for path, body in files.items()
    ]
    manifest = json.dumps({"name": "small", "license": "Apache-2.0", "files": declared}).encode()
    rollout = stack.call("receive_artifact", stack.drop("v1", files, manifest))["rolloutId"]
    assert stack.release(rollout)["phase"] == "live"
    answered = dict(word.split("=") for word in stack.answers().split(";"))["release"]

    told = stack.operate("provenance", release=answered)["provenance"]

    assert (told["idProved"], told["problems"], told["ledger"]) == (True, [], "")
    assert (told["name"], told["files"]) == ("small", len(files))
    ran = stack.operate("what-ran")["ran"]
    assert (ran["releaseId"], ran["artifactId"]) == (answered, told["artifactId"])

    key = f"published/{told['artifactId']}/config.json"
    stack.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"x" * len(files["config.json"]))

    assert "config.json has SHA-256" in stack.operate("provenance", release=answered)["provenance"]["problems"][0]
