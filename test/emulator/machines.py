"""Machines as far as an emulator without any can have them: images of instances, and groups whose instances are there, tagged, and
registered with the balancer. What a machine would do and say, tests play (machines.ts)."""
import os
import re
import subprocess

from ministack.services import alb, autoscaling, cloudwatch_logs, ec2, ssm
from ministack.services.cloudformation import provisioners

BASES = {
    "/aws/service/debian/release/13/latest/amd64": "ami-0debian13amd64000",
    "/aws/service/debian/release/13/latest/arm64": "ami-0debian13arm64000",
}


def create_image(params):
    """An image, and a snapshot of the disk it was made from."""
    instance = ec2._instances.get(ec2._p(params, "InstanceId"))
    if not instance:
        return ec2._error("InvalidInstanceID.NotFound", f"The instance ID '{ec2._p(params, 'InstanceId')}' does not exist", 400)
    status, headers, body = ec2._register_image(params)
    if status >= 400:
        return status, headers, body
    text = body.decode() if isinstance(body, bytes) else body
    image = re.search(r"<imageId>(.*?)</imageId>", text).group(1)
    snapshot = ec2._new_snapshot_id()
    volume = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    ec2._snapshots[snapshot] = {
        "SnapshotId": snapshot,
        "VolumeId": volume,
        "VolumeSize": 8,
        "Description": f"Created by CreateImage({instance['InstanceId']}) for {image}",
        "State": "completed",
        "StartTime": ec2._now_ts(),
        "Progress": "100%",
        "OwnerId": ec2.get_account_id(),
        "Encrypted": True,
        "StorageTier": "standard",
    }
    ec2._parse_tag_specs(params, "snapshot", snapshot)
    ec2._images[image]["RootDeviceName"] = "/dev/xvda"
    ec2._images[image]["BlockDeviceMappings"] = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot, "VolumeSize": "8"}}]
    return ec2._xml(200, "CreateImageResponse", f"<imageId>{image}</imageId>")


def public_parameter(name):
    if name not in BASES:
        return known_parameter(name)
    return {"Name": name, "Type": "String", "Value": BASES[name], "Version": 1, "LastModifiedDate": 1728518400, "ARN": f"arn:aws:ssm:::parameter{name}"}


known_parameter = ssm._public_parameter


def make_instance(group, props):
    template = ec2._launch_templates.get(group["LaunchTemplate"].get("LaunchTemplateId", ""), {})
    versions = template.get("Versions") or [{}]
    image = versions[-1].get("LaunchTemplateData", {}).get("ImageId", "ami-00000000000000000")
    instance = ec2._launch_instances_internal(image, "t4g.small", group["VPCZoneIdentifier"].split(",")[0], 1)[0]["InstanceId"]
    ec2._tags[instance] = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in props.get("Tags", [])]
    ec2._tags[instance].append({"Key": "aws:autoscaling:groupName", "Value": group["AutoScalingGroupName"]})
    return instance


def end_instances(group, ids):
    for target_group in group.get("TargetGroupARNs", []):
        alb._targets[target_group] = [one for one in alb._targets.get(target_group, []) if one["Id"] not in ids]
    for instance in ids:
        record = ec2._instances.get(instance)
        if record:
            record["State"] = {"Code": 48, "Name": "terminated"}


def settle(name, props):
    """As many instances as are wanted, all from the template as it is now."""
    group = autoscaling._asgs[name]
    made_from = str(props.get("LaunchTemplate") or props.get("MixedInstancesPolicy"))
    if group.get("MadeFrom") != made_from:
        end_instances(group, [one["InstanceId"] for one in group["Instances"]])
        group["Instances"] = []
        group["MadeFrom"] = made_from
    group["TargetGroupARNs"] = props.get("TargetGroupARNs") or []
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
            alb._targets.setdefault(target_group, []).append({"Id": instance, "Port": 80})


GROUP = provisioners._RESOURCE_HANDLERS["AWS::AutoScaling::AutoScalingGroup"]


def create_group(logical_id, props, stack_name):
    name, attributes = GROUP["create"](logical_id, props, stack_name)
    settle(name, props)
    return name, attributes


def update_group(physical_id, old_props, new_props, stack_name, logical_id=None):
    name, attributes = GROUP["update"](physical_id, old_props, new_props, stack_name, logical_id)
    settle(name, new_props)
    return name, attributes


def delete_group(physical_id, props):
    group = autoscaling._asgs.get(physical_id)
    if group:
        end_instances(group, [one["InstanceId"] for one in group["Instances"]])
    GROUP["delete"](physical_id, props)


PROGRAM = re.compile(r"^exec setpriv .*?/usr/local/lib/landfall/run-app ")


def run_command(instance, argv):
    """What Systems Manager has a machine do is done here, without the program that gives it the app's variables. An app is well, unless
    LANDFALL_EMULATOR_HEALTH names a file that says what its health check answers."""
    if "%{http_code}" in argv[-1]:
        try:
            with open(os.environ["LANDFALL_EMULATOR_HEALTH"], encoding="utf-8") as file:
                return 0, file.read(), ""
        except OSError:
            return 0, "200\n", ""
    done = subprocess.run(["/bin/sh", "-c", PROGRAM.sub("exec ", argv[-1])], capture_output=True, text=True, timeout=60)
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
    ec2._ACTION_MAP["CreateImage"] = create_image
    # No container is started for an image; an instance is a record here.
    ec2._registered_image = lambda image: None
    ssm._public_parameter = public_parameter
    provisioners._RESOURCE_HANDLERS["AWS::AutoScaling::AutoScalingGroup"] = {
        **GROUP,
        "create": create_group,
        "update": update_group,
        "delete": delete_group,
    }
