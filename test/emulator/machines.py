"""Machines as far as an emulator without any can have them: groups whose instances are there, tagged, and registered with the balancer.
Their disks and images are in disks.py. What a machine would do and say, tests play (machines.ts)."""
import os
import re
import subprocess

import disks
import targets
from disks import BASES
from ministack.core.responses import get_account_id, get_region
from ministack.services import alb, autoscaling, cloudwatch_logs, ec2, ssm
from ministack.services.cloudformation import provisioners


def public_parameter(name):
    if name not in BASES:
        return known_parameter(name)
    return {"Name": name, "Type": "String", "Value": BASES[name], "Version": 1, "LastModifiedDate": 1728518400, "ARN": f"arn:aws:ssm:::parameter{name}"}


known_parameter = ssm._public_parameter


def make_instance(group, props):
    data, _ = disks.template_of(props)
    image = disks.image_of(data)
    instance = ec2._launch_instances_internal(image, "t4g.small", group["VPCZoneIdentifier"].split(",")[0], 1)[0]["InstanceId"]
    disks.give_disk(instance, image, disks.size_in(data.get("BlockDeviceMappings")))
    ec2._tags[instance] = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in props.get("Tags", [])]
    ec2._tags[instance].append({"Key": "aws:autoscaling:groupName", "Value": group["AutoScalingGroupName"]})
    return instance


def end_instances(group, ids):
    targets.leave(group.get("TargetGroupARNs", []), ids)
    for instance in ids:
        record = ec2._instances.get(instance)
        if record:
            record["State"] = {"Code": 48, "Name": "terminated"}


def register(instances, target_group):
    alb._targets.setdefault(target_group, []).extend({"Id": one, "Port": alb._tgs[target_group]["Port"]} for one in instances)


def settle(name, props):
    """As many instances as are wanted, all from the template as it is now."""
    group = autoscaling._asgs[name]
    made_from = str(props.get("LaunchTemplate") or props.get("MixedInstancesPolicy"))
    if group.get("MadeFrom") != made_from:
        end_instances(group, [one["InstanceId"] for one in group["Instances"]])
        group["Instances"] = []
        group["MadeFrom"] = made_from
    before, after = group.get("TargetGroupARNs", []), props.get("TargetGroupARNs") or []
    standing = [one["InstanceId"] for one in group["Instances"]]
    targets.leave([one for one in before if one not in after], standing)
    group["TargetGroupARNs"] = after
    for target_group in after:
        register([one for one in standing if target_group not in before], target_group)
    wanted = int(group["DesiredCapacity"])
    end_instances(group, [one["InstanceId"] for one in group["Instances"][wanted:]])
    del group["Instances"][wanted:]
    while len(group["Instances"]) < wanted:
        instance = make_instance(group, props)
        group["Instances"].append({
            "InstanceId": instance,
            "LifecycleState": "InService",
            "HealthStatus": "Healthy",
            "AvailabilityZone": group["AvailabilityZones"][0],
            "ProtectedFromScaleIn": False,
            "LaunchTemplate": group["LaunchTemplate"],
            "LaunchConfigurationName": "",
        })
        for target_group in group["TargetGroupARNs"]:
            register([instance], target_group)


GROUP = provisioners._RESOURCE_HANDLERS["AWS::AutoScaling::AutoScalingGroup"]


def create_group(logical_id, props, stack_name):
    disks.refuse_small_disk(logical_id, props)
    name, attributes = GROUP["create"](logical_id, props, stack_name)
    settle(name, props)
    return name, attributes


def update_group(physical_id, old_props, new_props, stack_name, logical_id=None):
    disks.refuse_small_disk(physical_id, new_props)
    name, attributes = GROUP["update"](physical_id, old_props, new_props, stack_name, logical_id)
    settle(name, new_props)
    return name, attributes


def delete_group(physical_id, props):
    group = autoscaling._asgs.get(physical_id)
    if group:
        end_instances(group, [one["InstanceId"] for one in group["Instances"]])
    GROUP["delete"](physical_id, props)


PROGRAM = re.compile(r"setpriv .*?/usr/local/lib/landfall/run-app ")
BIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin")


def run_command(instance, argv):
    """What Systems Manager has a machine do is done here, without the program that gives it the app's variables. An app is well, unless
    LANDFALL_EMULATOR_HEALTH names a file that says what its health check answers."""
    if "%{http_code}" in argv[-1]:
        try:
            with open(os.environ["LANDFALL_EMULATOR_HEALTH"], encoding="utf-8") as file:
                return 0, file.read(), ""
        except OSError:
            return 0, "200\n", ""
    env = {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
        "AWS_ACCESS_KEY_ID": get_account_id(),
        "AWS_REGION": get_region(),
    }
    done = subprocess.run(["/bin/sh", "-c", PROGRAM.sub("", argv[-1])], capture_output=True, text=True, timeout=60, env=env)
    return done.returncode, done.stdout, done.stderr


def filter_events(data):
    """ministack does not know `logStreamNamePrefix`."""
    prefix = data.get("logStreamNamePrefix")
    if prefix:
        streams = (cloudwatch_logs._log_groups.get(data.get("logGroupName", "")) or {"streams": {}})["streams"]
        data = {**data, "logStreamNames": [name for name in streams if name.startswith(prefix)] or ["none"]}
    return filtered_events(data)


filtered_events = cloudwatch_logs._filter_log_events


def install():
    cloudwatch_logs._filter_log_events = filter_events
    ec2.exec_in_instance_blocking = run_command
    ssm._managed_instance_ids = lambda: {one for one, record in ec2._instances.items() if record["State"]["Name"] == "running"}
    # No container is started for an image; an instance is a record here.
    ec2._registered_image = lambda image: None
    ssm._public_parameter = public_parameter
    provisioners._RESOURCE_HANDLERS["AWS::AutoScaling::AutoScalingGroup"] = {
        **GROUP,
        "create": create_group,
        "update": update_group,
        "delete": delete_group,
    }
