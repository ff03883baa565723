"""How much of something services take in one call, and in which state of a thing. In AWS's words where they are public:
EC2's filters: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (FilterLimitExceeded);
auto-scaling: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html (50 names);
EC2's user data, before it is encoded: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html;
RDS, whose disks only grow, by a tenth at least, and which CloudFormation cannot bring back from the attempt:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html, aws-cloudformation/cloudformation-coverage-roadmap#1312;
ECS, which deletes nothing that is in use: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteTaskDefinitions.html. That it takes
nothing out of use twice is stricter than AWS says it is."""
import base64
import re

from ministack.core.responses import error_response_json, json_response
from ministack.services import autoscaling, ec2, ecs
from ministack.services.cloudformation import provisioners

FILTER_VALUES, GROUP_NAMES, USER_DATA = 200, 50, 16_384


def count(params, pattern):
    return sum(1 for key in params if re.fullmatch(pattern, key))


def limit_filters(act):
    def limited(params):
        if count(params, r"Filter\.\d+\.Value\.\d+") > FILTER_VALUES:
            return ec2._error("FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200", 400)
        return act(params)

    return limited


def limit_user_data(act):
    def limited(params):
        if len(base64.b64decode(ec2._p(params, "UserData") or "")) > USER_DATA:
            return ec2._error("InvalidParameterValue", f"User data is limited to {USER_DATA} bytes", 400)
        return act(params)

    return limited


def describe_groups(params):
    if count(params, r"AutoScalingGroupNames\.member\.\d+") > GROUP_NAMES:
        return autoscaling._error("ValidationError", f"The number of group names exceeds {GROUP_NAMES}.", 400)
    return described_groups(params)


described_groups = autoscaling._ACTION_MAP["DescribeAutoScalingGroups"]


def deregister(data):
    definition = ecs._task_defs.get(ecs._resolve_td_key(data.get("taskDefinition", "")))
    if definition and definition["status"] != "ACTIVE":
        return error_response_json("ClientException", "The specified task definition is not active.", 400)
    return deregistered(data)


deregistered = ecs._ACTION_MAP["DeregisterTaskDefinition"]


def delete(data):
    active = [arn for arn in data["taskDefinitions"] if ecs._task_defs.get(ecs._resolve_td_delete_key(arn), {}).get("status") == "ACTIVE"]
    if active:
        failures = [{"arn": arn, "reason": STILL_ACTIVE} for arn in active]
        return json_response({"taskDefinitions": [], "failures": failures})
    return deleted(data)


deleted = ecs._ACTION_MAP["DeleteTaskDefinitions"]
STILL_ACTIVE = "The specified task definition is still in ACTIVE status. Please deregister the target and try again."


def update_database(physical_id, old, new, *rest):
    before, after = int(old["AllocatedStorage"]), int(new["AllocatedStorage"])
    if after != before and after * 10 < before * 11:
        raise ValueError(f"Invalid storage size for engine name {new['Engine']} and storage type {new['StorageType']}: {after} "
                         "(Service: Rds, Status Code: 400)")
    return DATABASE["update"](physical_id, old, new, *rest)


DATABASE = provisioners._RESOURCE_HANDLERS["AWS::RDS::DBInstance"]


def install():
    provisioners._RESOURCE_HANDLERS["AWS::RDS::DBInstance"] = {**DATABASE, "update": update_database}
    ec2._ACTION_MAP.update({name: limit_filters(act) for name, act in ec2._ACTION_MAP.items() if name.startswith("Describe")})
    ec2._ACTION_MAP["RunInstances"] = limit_user_data(ec2._ACTION_MAP["RunInstances"])
    autoscaling._ACTION_MAP["DescribeAutoScalingGroups"] = describe_groups
    ecs._ACTION_MAP.update({"DeregisterTaskDefinition": deregister, "DeleteTaskDefinitions": delete})
