"""The zones of a region, which change: AWS adds some, and gives them in an order that it promises nobody.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-getavailabilityzones.html ("the order of the
results from the Fn::GetAZs function isn't guaranteed and can change when new Availability Zones are added"). A subnet in another zone is another subnet:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-subnet.html (AvailabilityZone, "Update requires: Replacement").

LANDFALL_EMULATOR_ZONES names a file with their letters, in order; without it there are a, b and c."""
import os
import re

from ministack.core.responses import get_region
from ministack.services import ec2
from ministack.services.cloudformation import engine, handlers, stacks


def letters():
    try:
        with open(os.environ["LANDFALL_EMULATOR_ZONES"], encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return "abc"


def resolve(value, *rest, **more):
    if isinstance(value, dict) and "Fn::GetAZs" in value:
        return [f"{get_region()}{letter}" for letter in letters()]
    return resolved(value, *rest, **more)


resolved = engine._resolve_refs


def describe_zones(params):
    """ministack's own three, as the region has them."""
    status, headers, body = described_zones(params)
    text = body.decode() if isinstance(body, bytes) else body
    first, *_ = re.findall(r"<item>.*?</item>", text, re.DOTALL)
    items = "".join(re.sub(r"\w(?=</zoneName>)", letter, first) for letter in letters())
    return status, headers, re.sub(r"<item>.*</item>", items, text, flags=re.DOTALL).encode()


described_zones = ec2._ACTION_MAP["DescribeAvailabilityZones"]


def install():
    for module in (engine, handlers, stacks):
        if hasattr(module, "_resolve_refs"):
            module._resolve_refs = resolve
    ec2._ACTION_MAP["DescribeAvailabilityZones"] = describe_zones
