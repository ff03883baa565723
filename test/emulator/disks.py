"""Disks as EC2 gives them: a volume is never smaller than the snapshot that it is made from, and an image's snapshot is as large as the
volume it was made of. In the words of AWS, from public reports:
RunInstances: scylladb/scylladb#6999, openshift/origin-ci-tool#153; CreateAutoScalingGroup with a launch template:
zalando-incubator/kubernetes-on-aws#3817, aws-samples/amazon-autoscaling-mac1metal-ec2-with-terraform#6. A group of several types or of
spare capacity is made, and its activities fail: DNXLabs/terraform-aws-ecs#24.

LANDFALL_EMULATOR_BASE_GIB names a file with the size of Debian's own images; without it they have the 8 GiB of 2026."""
import os
import re
from xml.sax.saxutils import escape

from ministack.core.responses import new_uuid, now_iso
from ministack.services import autoscaling, ec2
from ministack.services.cloudformation import provisioners

BASES = {
    "/aws/service/debian/release/13/latest/amd64": "ami-0debian13amd64000",
    "/aws/service/debian/release/13/latest/arm64": "ami-0debian13arm64000",
}
DEBIAN = "136693071363"
ROOT = "/dev/xvda"


def base_gib():
    try:
        with open(os.environ["LANDFALL_EMULATOR_BASE_GIB"], encoding="utf-8") as file:
            return int(file.read())
    except OSError:
        return 8


def snapshot_of(image):
    """Its id and its size in GiB; of images that nobody made, as of Debian's."""
    record = ec2._images[image] if image in ec2._images else {}
    snapshot = (record.get("BlockDeviceMappings") or [{}])[0].get("Ebs", {}).get("SnapshotId")
    if snapshot in ec2._snapshots:
        return snapshot, int(ec2._snapshots[snapshot]["VolumeSize"])
    return f"snap-0{image.removeprefix('ami-')[:16]}", base_gib()


def too_small(image, size):
    """Undefined sizes are the snapshot's own."""
    snapshot, least = snapshot_of(image)
    if size is not None and int(size) < least:
        return f"Volume of size {size}GB is smaller than snapshot '{snapshot}', expect size >= {least}GB"
    return None


def size_in(mappings):
    return next((one.get("Ebs", {}).get("VolumeSize") for one in mappings or [] if one.get("DeviceName") == ROOT), None)


def give_disk(instance, image, size):
    record = ec2._instances[instance]
    snapshot, least = snapshot_of(image)
    for mapping in record["BlockDeviceMappings"]:
        ec2._volumes[mapping["Ebs"]["VolumeId"]].update({"Size": int(size or least), "SnapshotId": snapshot})


def run_instances(params):
    image, size = ec2._p(params, "ImageId"), size_in(ec2._parse_register_block_device_mappings(params))
    refusal = too_small(image, size)
    if refusal:
        return ec2._error("InvalidBlockDeviceMapping", refusal, 400)
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html
    if ec2._p(params, "DryRun") == "true":
        return ec2._error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
    answer = ran(params)
    body = answer[2].decode() if isinstance(answer[2], bytes) else answer[2]
    for instance in re.findall(r"<instanceId>(i-\w+)</instanceId>", body):
        give_disk(instance, image, size)
    return answer


ran = ec2._ACTION_MAP["RunInstances"]


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
    size = ec2._volumes[volume]["Size"]
    ec2._snapshots[snapshot] = {
        "SnapshotId": snapshot,
        "VolumeId": volume,
        "VolumeSize": size,
        "Description": f"Created by CreateImage({instance['InstanceId']}) for {image}",
        "State": "completed",
        "StartTime": ec2._now_ts(),
        "Progress": "100%",
        "OwnerId": ec2.get_account_id(),
        "Encrypted": True,
        "StorageTier": "standard",
    }
    ec2._parse_tag_specs(params, "snapshot", snapshot)
    ec2._images[image]["RootDeviceName"] = ROOT
    ec2._images[image]["BlockDeviceMappings"] = [{"DeviceName": ROOT, "Ebs": {"SnapshotId": snapshot, "VolumeSize": str(size)}}]
    return ec2._xml(200, "CreateImageResponse", f"<imageId>{image}</imageId>")


def view_of_base(image, *facts):
    view = viewed(image, *facts)
    if image in BASES.values():
        snapshot, size = snapshot_of(image)
        view["BlockDeviceMappings"] = [{"DeviceName": ROOT, "Ebs": {"SnapshotId": snapshot, "VolumeSize": str(size)}}]
    return view


viewed = ec2._stub_image_view


def template_of(props):
    """What a group starts its instances with: the template's own data, and whether it is a policy of several types."""
    policy = props.get("MixedInstancesPolicy")
    named = (policy or {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification") or props.get("LaunchTemplate") or {}
    template = ec2._launch_templates.get(named.get("LaunchTemplateId", ""), {})
    wanted = str(named.get("Version", ""))
    versions = template.get("Versions") or [{}]
    version = next((one for one in versions if str(one.get("VersionNumber")) == wanted), versions[-1])
    return version.get("LaunchTemplateData", {}), policy is not None


def image_of(data):
    image = data.get("ImageId", "ami-00000000000000000")
    return BASES.get(image.removeprefix("resolve:ssm:"), image)


def refuse_small_disk(group, props):
    """Before a group of this template is made or changed."""
    data, mixed = template_of(props)
    refusal = too_small(image_of(data), size_in(data.get("BlockDeviceMappings")))
    if not refusal:
        return
    if not mixed:
        raise ValueError(f"You must use a valid fully-formed launch template. {refusal} (Service: AmazonAutoScaling; Status Code: 400; "
                         "Error Code: ValidationError)")
    if int(props.get("DesiredCapacity", props.get("MinSize", 0))) > 0:
        failed.setdefault(autoscaling.get_account_id(), []).append((group, f"InvalidBlockDeviceMapping - {refusal}. Launching EC2 instance failed."))
        raise ValueError("Group did not stabilize. Received 0 SUCCESS signal(s) out of 1.")


failed = {}


def describe_scaling_activities(params):
    """Those that failed: ministack has none at all."""
    group = autoscaling._p(params, "AutoScalingGroupName")
    members = "".join(
        f"<member><ActivityId>{new_uuid()}</ActivityId><AutoScalingGroupName>{name}</AutoScalingGroupName><StartTime>{now_iso()}</StartTime>"
        f"<StatusCode>Failed</StatusCode><StatusMessage>{escape(text)}</StatusMessage></member>"
        for name, text in failed.get(autoscaling.get_account_id(), []) if group in ("", None, name)
    )
    return autoscaling._xml(200, "DescribeScalingActivitiesResponse",
                            f"<DescribeScalingActivitiesResult><Activities>{members}</Activities></DescribeScalingActivitiesResult>")


def check_instance(create):
    """CloudFormation's own instances come from a launch template as well."""
    def checked(logical_id, props, stack_name):
        data, _ = template_of(props)
        refusal = too_small(image_of(data), size_in(data.get("BlockDeviceMappings")))
        if refusal:
            raise ValueError(f"{refusal} (Service: Ec2, Status Code: 400)")
        return create(logical_id, props, stack_name)

    return checked


def install():
    ec2._ACTION_MAP.update({"RunInstances": run_instances, "CreateImage": create_image})
    ec2._stub_image_view = view_of_base
    ec2._STUB_AMIS.extend(
        (image, f"debian-13-{name.rsplit('/', 1)[1]}", "Debian 13", "", ROOT, DEBIAN, None) for name, image in BASES.items()
    )
    autoscaling._ACTION_MAP["DescribeScalingActivities"] = describe_scaling_activities
    instance = provisioners._RESOURCE_HANDLERS["AWS::EC2::Instance"]
    provisioners._RESOURCE_HANDLERS["AWS::EC2::Instance"] = {**instance, "create": check_instance(instance["create"])}
