"""What ministack answers and AWS cannot, by AWS's own models of its services (service_models.py): empty texts where AWS says nothing, members that no
answer has, and what CloudFormation was given in its own spelling. Taken out of the answers themselves, whatever part of ministack makes them."""
import json
import re

from ministack.services import alb, autoscaling, ec2, ecs, rds
from ministack.services.cloudformation import handlers


def one_of(*names):
    return r"<(?P<name>" + "|".join(names) + r")>[^<]*</(?P=name)>"


def empty(*names):
    return r"<(?P<name>" + "|".join(names) + r")></(?P=name)>"


INSTANCES = ["DescribeDBInstances", "ModifyDBInstance"]
SNAPSHOTS = ["DescribeDBSnapshots", "CreateDBSnapshot", "DeleteDBSnapshot"]
# Of which answers, and what becomes of what is found in them.
REWRITTEN = [
    (handlers._ACTION_HANDLERS, ["DescribeStacks", "DescribeChangeSet", "ListChangeSets"], empty("Description"), ""),
    (handlers._ACTION_HANDLERS, ["DescribeChangeSet"], one_of("ChangeSetType"), ""),
    (autoscaling._ACTION_MAP, ["DescribeAutoScalingGroups"], empty("LaunchConfigurationName", "VPCZoneIdentifier"), ""),
    (ec2._ACTION_MAP, ["DescribeVpcs", "CreateVpc"], one_of("defaultNetworkAclId", "defaultSecurityGroupId", "mainRouteTableId"), ""),
    (ec2._ACTION_MAP, ["DescribeLaunchTemplateVersions"], r"<item>(sg-\w+)</item>", r"<groupId>\1</groupId>"),
    (alb._ACTION_MAP, ["DescribeTargetHealth"], one_of("HealthStatus"), ""),
    (rds._ACTION_MAP, INSTANCES, empty("ReplicaMode"), ""),
    (rds._ACTION_MAP, SNAPSHOTS, one_of("DBInstanceClass", "DBName", "StorageEncrypted"), ""),
]
# Their keys are the user's own.
FREE = ("options", "dockerLabels", "driverOpts", "labels")


def rewritten(act, pattern, by):
    def answer(*args):
        status, headers, body = act(*args)
        text = body.decode() if isinstance(body, bytes) else body
        return status, headers, re.sub(pattern, by, text).encode()

    return answer


def spell(node):
    """ECS's names begin with small letters, CloudFormation's with capitals."""
    if isinstance(node, list):
        return [spell(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {key[0].lower() + key[1:]: value if key in FREE else spell(value) for key, value in node.items()
            if not (value == "" and key in ("ipcMode", "pidMode", "stopCode"))}


def spelt(act):
    def answer(data):
        status, headers, body = act(data)
        return (status, headers, body) if status >= 300 else (status, headers, json.dumps(spell(json.loads(body))).encode())

    return answer


def install():
    for actions, names, pattern, by in REWRITTEN:
        actions.update({name: rewritten(actions[name], pattern, by) for name in names})
    names = [name for name in ecs._ACTION_MAP if re.fullmatch(r"(Describe|Register|Deregister|Delete|Run|Stop)Task(Definition)?s?", name)]
    ecs._ACTION_MAP.update({name: spelt(ecs._ACTION_MAP[name]) for name in names})
