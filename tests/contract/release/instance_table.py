"""The memory of SageMaker's instance types by EC2's own figures: `python -m tests.contract.release.instance_table`
rewrites the table that the memory plan reads.

EC2's DescribeInstanceTypes is recorded in moto, SageMaker's types are in botocore's model of its API; an `ml.` type has
the hardware of the EC2 type of the same name.
"""

import gzip
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boto3
import moto.ec2

from release.domain.memory import INSTANCES

RECORDED = Path(moto.ec2.__file__).parent / "resources" / "instance_types.json.gz"
DATE = "2026-11-23"


def types() -> dict[str, list[Any]]:
    """`ml.` type → MiB of memory, its accelerator, MiB of one accelerator."""
    recorded = json.loads(gzip.decompress(RECORDED.read_bytes()))
    sagemaker = boto3.client(
        "sagemaker", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    shape: Any = sagemaker.meta.service_model.shape_for("ProductionVariantInstanceType")
    return {name: row(recorded[name[3:]]) for name in sorted(shape.enum) if name[3:] in recorded}


def row(described: dict[str, Any]) -> list[Any]:
    chips = described.get("GpuInfo", {}).get("Gpus") or described.get("NeuronInfo", {}).get("NeuronDevices") or [{}]
    maker = chips[0].get("Manufacturer", "AWS")
    name = f"{maker} {chips[0]['Name']}" if chips[0] else ""
    return [described["MemoryInfo"]["SizeInMiB"], name, chips[0].get("MemoryInfo", {}).get("SizeInMiB", 0)]


def text() -> str:
    head = {
        "source": f"EC2 DescribeInstanceTypes as recorded in moto {version('moto')}, "
        f"for the types of SageMaker's ProductionVariantInstanceType in botocore {version('botocore')}",
        "date": DATE,
        "columns": ["MiB of memory", "accelerator", "MiB of one accelerator"],
    }
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in types().items())
    return json.dumps(head, indent=1)[:-2] + ',\n "types": {\n' + lines + "\n }\n}\n"


if __name__ == "__main__":
    INSTANCES.write_text(text(), encoding="utf-8")
