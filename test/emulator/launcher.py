"""Starts ministack with what it lacks for our templates: some resource types, and failures and delays on demand.

Each type below calls ministack's own service action, so that what CloudFormation makes is seen by the service's API.
LANDFALL_EMULATOR_RULES names a JSON file with a list of rules, read again at every resource:

    {"when": "create", "type": "AWS::EC2::VPC", "logicalId": "Vpc", "stack": "shop-production-network",
     "delayMs": 300, "fail": "No more VPCs can be made.", "skip": 0, "times": 1}

All keys but "when" may be left out. A rule applies to those that match, after the first `skip`, for `times` of them.
"""
import json
import os
import re
import sys
import threading
import time

import answers
import containers
import disks
import drift_aware
import free_plan
import limits
import machines
import quotas
import targets
import validation
import zones
from ministack.services import acm, alb, cloudwatch, ec2, elasticache, rds, s3, secretsmanager, ssm, tagging, waf
from ministack.services.cloudformation import handlers, provisioners, stacks


def call(action, **params):
    status, _, body = action(flatten(params))
    text = body.decode() if isinstance(body, bytes) else body
    if status >= 400:
        message = re.search(r"<Message>(.*?)</Message>", text)
        raise ValueError(message.group(1) if message else text)
    return text


def flatten(params):
    """{"ResourceId": ["a"]} as the query protocol has it: {"ResourceId.1": ["a"]}."""
    flat = {}
    for key, value in params.items():
        if isinstance(value, list):
            for number, one in enumerate(value, 1):
                for inner, text in flatten(one).items() if isinstance(one, dict) else [("", [str(one)])]:
                    flat[f"{key}.{number}" + (f".{inner}" if inner else "")] = text
        elif value is not None:
            flat[key] = [str(value)]
    return flat


def tag(resource_id, props):
    ec2._tags[resource_id] = list(props.get("Tags") or [])


def find(name, text):
    return re.search(rf"<{name}>(.*?)</{name}>", text).group(1)


def create_address(logical_id, props, stack_name):
    text = call(ec2._allocate_address, Domain=props.get("Domain"))
    allocation, address = find("allocationId", text), find("publicIp", text)
    tag(allocation, props)
    return address, {"AllocationId": allocation, "PublicIp": address}


def delete_address(physical_id, props):
    for allocation, record in list(ec2._addresses.items()):
        if record["PublicIp"] == physical_id:
            call(ec2._release_address, AllocationId=allocation)


def create_address_association(logical_id, props, stack_name):
    """An address that another machine has is taken from it: AWS's page on AssociateAddress, "Reassociation is automatic"."""
    association = find("associationId", call(ec2._associate_address, AllocationId=props["AllocationId"], InstanceId=props.get("InstanceId")))
    ec2._addresses[props["AllocationId"]]["NetworkInterfaceId"] = props.get("NetworkInterfaceId")
    return association, {"Id": association}


def delete_address_association(physical_id, props):
    call(ec2._disassociate_address, AssociationId=physical_id)


def create_nat_gateway(logical_id, props, stack_name):
    text = call(ec2._create_nat_gateway, SubnetId=props["SubnetId"], AllocationId=props["AllocationId"])
    gateway = find("natGatewayId", text)
    tag(gateway, props)
    return gateway, {"NatGatewayId": gateway}


def delete_nat_gateway(physical_id, props):
    call(ec2._delete_nat_gateway, NatGatewayId=physical_id)


def create_flow_log(logical_id, props, stack_name):
    text = call(
        ec2._create_flow_logs,
        ResourceId=[props["ResourceId"]],
        ResourceType=props["ResourceType"],
        TrafficType=props["TrafficType"],
        LogDestinationType=props["LogDestinationType"],
        LogDestination=props["LogDestination"],
    )
    log = find("item", text)
    tag(log, props)
    return log, {"Id": log}


def delete_flow_log(physical_id, props):
    call(ec2._delete_flow_logs, FlowLogId=[physical_id])


def permission(props, other):
    groups = [{"GroupId": props[other]}] if other in props else None
    ranges = [{"CidrIp": props["CidrIp"]}] if "CidrIp" in props else None
    return {key: value for key, value in {
        "IpProtocol": props["IpProtocol"],
        "FromPort": props.get("FromPort"),
        "ToPort": props.get("ToPort"),
        "Groups": groups,
        "IpRanges": ranges,
    }.items() if value is not None}


def group_rule(other, authorize, revoke):
    def create(logical_id, props, stack_name):
        text = call(authorize, GroupId=props["GroupId"], IpPermissions=[permission(props, other)])
        return find("securityGroupRuleId", text), {}

    def delete(physical_id, props):
        if props["GroupId"] in ec2._security_groups:
            call(revoke, GroupId=props["GroupId"], IpPermissions=[permission(props, other)])

    return {"create": create, "delete": delete}


def create_interface(logical_id, props, stack_name):
    text = call(ec2._create_network_interface, SubnetId=props["SubnetId"], SecurityGroupId=props.get("GroupSet"))
    interface = find("networkInterfaceId", text)
    tag(interface, props)
    return interface, {"Id": interface}


def delete_interface(physical_id, props):
    call(ec2._delete_network_interface, NetworkInterfaceId=physical_id)


def create_instance(logical_id, props, stack_name):
    """An interface is at one machine at a time: aws/aws-parallelcluster#623, pulumi/pulumi-aws#2394."""
    data, _ = disks.template_of(props)
    given = [one["NetworkInterfaceId"] for one in data.get("NetworkInterfaces") or [] if "NetworkInterfaceId" in one]
    for interface in given:
        if interface in attached:
            raise ValueError(f"Interface: [{interface}] in use. (Service: Ec2, Status Code: 400, Error Code: InvalidNetworkInterface.InUse)")
    text = call(ec2._run_instances, ImageId="ami-00000000000000001", InstanceType=data.get("InstanceType"), MinCount=1, MaxCount=1)
    instance = find("instanceId", text)
    attached.update({interface: instance for interface in given})
    tag(instance, props)
    return instance, {"InstanceId": instance}


def delete_instance(physical_id, props):
    call(ec2._terminate_instances, InstanceId=[physical_id])
    for interface in [one for one, instance in attached.items() if instance == physical_id]:
        del attached[interface]


attached = {}


def create_firewall_association(logical_id, props, stack_name):
    waf._associate_web_acl({"WebACLArn": props["WebACLArn"], "ResourceArn": props["ResourceArn"]})
    return f"{props['WebACLArn']}|{props['ResourceArn']}", {}


def delete_firewall_association(physical_id, props):
    waf._disassociate_web_acl({"ResourceArn": props["ResourceArn"]})


recorded = provisioners._cw_metric_alarm_record


def record_alarm(name, props):
    """An alarm over an expression is recorded with the first metric in it: nothing here is ever measured."""
    if not props.get("Metrics"):
        return recorded(name, props)
    stat = next(one["MetricStat"] for one in props["Metrics"] if "MetricStat" in one)
    metric = {**stat["Metric"], "Statistic": stat["Stat"], "Period": stat["Period"]}
    return recorded(name, {**{key: value for key, value in props.items() if key != "Metrics"}, **metric})


MISSING = {
    "AWS::EC2::EIP": {"create": create_address, "delete": delete_address},
    "AWS::EC2::EIPAssociation": {"create": create_address_association, "delete": delete_address_association},
    "AWS::EC2::NatGateway": {"create": create_nat_gateway, "delete": delete_nat_gateway},
    "AWS::EC2::FlowLog": {"create": create_flow_log, "delete": delete_flow_log},
    "AWS::EC2::SecurityGroupIngress": group_rule("SourceSecurityGroupId", ec2._authorize_sg_ingress, ec2._revoke_sg_ingress),
    "AWS::EC2::NetworkInterface": {"create": create_interface, "delete": delete_interface},
    "AWS::EC2::Instance": {"create": create_instance, "delete": delete_instance},
    "AWS::WAFv2::WebACLAssociation": {"create": create_firewall_association, "delete": delete_firewall_association},
}
TAGGED = ["AWS::EC2::EIP", "AWS::EC2::NatGateway", "AWS::EC2::FlowLog", "AWS::EC2::NetworkInterface", "AWS::EC2::Instance"]

def stubborn(resource_type, refusal):
    """ministack deletes these whatever is in them; AWS does not."""
    handler = provisioners._RESOURCE_HANDLERS[resource_type]
    delete = handler["delete"]

    def refusing(physical_id, props, *rest):
        reason = refusal(physical_id)
        if reason:
            raise ValueError(reason)
        delete(physical_id, props, *rest)

    return {**handler, "delete": refusing}


def refuse_full_bucket(name):
    bucket = s3._ensure_bucket(name)
    if bucket and (bucket["objects"] or s3._bucket_has_versions(name)):
        return "The bucket you tried to delete is not empty (Service: S3, Status Code: 409)"


def refuse_protected_database(name):
    if (rds._instances.get(name) or {}).get("DeletionProtection"):
        return f"Cannot delete protected DB Instance {name}, please disable deletion protection and try again."


STUBBORN = {
    "AWS::S3::Bucket": refuse_full_bucket,
    "AWS::RDS::DBInstance": refuse_protected_database,
    "AWS::ElasticLoadBalancingV2::TargetGroup": targets.refuse_used_group,
}


def list_with_gone(params):
    """ministack forgets the resources of a stack that is gone; AWS lists them for 90 days, with what became of each."""
    stack = handlers._resolve_stack(handlers._p(params, "StackName"))
    if not stack or stack.get("StackStatus") != "DELETE_COMPLETE":
        return listed_resources(params)
    from ministack.services.cloudformation import _stack_events
    gone = {}
    for event in _stack_events.get(stack["StackId"], []):
        if event["ResourceType"] != "AWS::CloudFormation::Stack" and event.get("PhysicalResourceId"):
            gone[event["LogicalResourceId"]] = event
    kept = stack.get("_resources", {})
    stack["_resources"] = gone
    try:
        return listed_resources(params)
    finally:
        stack["_resources"] = kept


listed_resources = handlers._list_stack_resources


def tags_by_arn(store, list_of=lambda tags: tags):
    """Services whose tags ministack keeps by ARN, and does not give to the API that lists tags of all of them."""
    def collect():
        for arn, tags in list(store().items()):
            yield arn, [{"Key": str(tag["Key"]), "Value": str(tag.get("Value", ""))} for tag in list_of(tags)]

    return collect


def tags_of_secrets():
    for secret in list(secretsmanager._secrets.values()):
        yield secret["ARN"], [{"Key": tag["Key"], "Value": tag.get("Value", "")} for tag in secret.get("Tags") or []]


COLLECTORS = {
    "acm": tags_by_arn(lambda: acm._certificates, lambda certificate: certificate.get("Tags") or []),
    "cloudwatch": tags_by_arn(lambda: cloudwatch._resource_tags, lambda tags: [{"Key": key, "Value": value} for key, value in tags.items()]),
    "elasticloadbalancing": tags_by_arn(lambda: alb._tags),
    "rds": tags_by_arn(lambda: rds._tags),
    "secretsmanager": tags_of_secrets,
    "wafv2": tags_by_arn(lambda: waf._waf_tags),
}


def in_ascii(text):
    return text.encode("ascii", "replace").decode()


def read_template(params):
    """CloudFormation keeps a template as it came, and gives back `?` for each character beyond ASCII, though what it makes has the character:
    aws-cloudformation/cloudformation-coverage-roadmap#814, #1220. Escapes are ASCII and come back as they were: aws/aws-cli#10185."""
    status, headers, body = given_template(params)
    return status, headers, in_ascii(body.decode()).encode()


def describe_stacks(params):
    """The same is true of what a stack gives out: aws-cloudformation/cloudformation-coverage-roadmap#814."""
    status, headers, body = described_stacks(params)
    return status, headers, in_ascii(body.decode()).encode()


given_template = handlers._ACTION_HANDLERS["GetTemplate"]
described_stacks = handlers._ACTION_HANDLERS["DescribeStacks"]


def name_of_type(resource_id):
    """As EC2 calls it."""
    return "vpc-flow-log" if resource_id.startswith("fl-") else "image" if resource_id.startswith("ami-") else guessed_type(resource_id)


guessed_type = ec2._guess_resource_type


def describe_images(params):
    """ministack knows when an image was made, and does not say it."""
    def dated(found):
        made = ec2._images[found.group(1)].get("CreationDate") if found.group(1) in ec2._images else None
        return found.group(0) + (f"<creationDate>{made}</creationDate>" if made else "")

    status, headers, body = described_images(params)
    text = body.decode() if isinstance(body, bytes) else body
    return status, headers, re.sub(r"<imageId>(ami-\w+)</imageId>(?!<creationDate>)", dated, text).encode()


described_images = ec2._ACTION_MAP["DescribeImages"]


def snapshot_of_cache(snapshot):
    """ministack writes the time as a number, which is no date in this protocol."""
    def date(found):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(float(found.group(1))))

    return re.sub(r"(?<=<SnapshotCreateTime>)([\d.]+)(?=<)", date, written_snapshot(snapshot))


written_snapshot = elasticache._snapshot_xml


def describe_automated_backups(params):
    """Those that are retained, put there by tests: ministack makes none, and knows no call for them."""
    backups = retained_backups()
    items = "".join(
        "<DBInstanceAutomatedBackup>"
        + "".join(f"<{key}>{value}</{key}>" for key, value in backup.items())
        + "</DBInstanceAutomatedBackup>"
        for backup in backups.values()
    )
    return rds._xml(200, "DescribeDBInstanceAutomatedBackupsResponse",
                    "<DescribeDBInstanceAutomatedBackupsResult><DBInstanceAutomatedBackups>"
                    f"{items}</DBInstanceAutomatedBackups></DescribeDBInstanceAutomatedBackupsResult>")


def delete_automated_backup(params):
    retained_backups().pop(rds._p(params, "DbiResourceId"), None)
    return rds._xml(200, "DeleteDBInstanceAutomatedBackupResponse", "<DeleteDBInstanceAutomatedBackupResult/>")


def retain_automated_backup(params):
    """No call of AWS: what is left when a database is deleted with `DeleteAutomatedBackups: false`."""
    resource, database = rds._p(params, "DbiResourceId"), rds._p(params, "DBInstanceIdentifier")
    arn = f"arn:aws:rds:{rds.get_region()}:{rds.get_account_id()}:auto-backup:ab-{resource.lower()}"
    retained_backups()[resource] = {
        "DBInstanceIdentifier": database, "DbiResourceId": resource, "Status": "retained", "DBInstanceAutomatedBackupsArn": arn}
    return rds._xml(200, "RetainDBInstanceAutomatedBackupResponse", "")


def retained_backups():
    return _retained.setdefault((rds.get_account_id(), rds.get_region()), {})


_retained = {}

RULES = os.environ.get("LANDFALL_EMULATOR_RULES")
counting = threading.Lock()
counts = {}


def load_rules():
    try:
        with open(RULES, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, TypeError, ValueError):
        return []


def is_match(rule, **facts):
    return all(rule.get(key) in (None, value) for key, value in facts.items())


def obey(when, resource_type, logical_id, stack_name):
    for rule in load_rules():
        if not is_match(rule, when=when, type=resource_type, logicalId=logical_id, stack=stack_name):
            continue
        with counting:
            identity = json.dumps(rule, sort_keys=True)
            counts[identity] = counts.get(identity, 0) + 1
            number = counts[identity] - rule.get("skip", 0)
        if number < 1 or number > rule.get("times", 1_000_000):
            continue
        time.sleep(rule.get("delayMs", 0) / 1000)
        if "fail" in rule:
            raise ValueError(rule["fail"])


def ruled(when, act, facts):
    def run(*args, **kwargs):
        obey(when, *facts(*args, **kwargs))
        done = act(*args, **kwargs)
        targets.look()
        return done

    return run


def install():
    machines.install()
    containers.install()
    provisioners._RESOURCE_HANDLERS.update(MISSING)
    disks.install()
    limits.install()
    quotas.install()
    validation.install(load_rules, is_match)
    drift_aware.install(load_rules, is_match)
    targets.install()
    provisioners._RESOURCE_HANDLERS.update({kind: stubborn(kind, refusal) for kind, refusal in STUBBORN.items()})
    free_plan.install()
    zones.install()
    # Without this every change to a bucket is reported as one that may replace it. AWS's page on the type names only this property.
    provisioners._REPLACING_PROPERTIES["AWS::S3::Bucket"] = ("BucketName",)
    provisioners._cw_metric_alarm_record = record_alarm
    handlers._ACTION_HANDLERS.update({"ListStackResources": list_with_gone, "GetTemplate": read_template, "DescribeStacks": describe_stacks})
    tagging._COLLECTORS.update(COLLECTORS)
    ec2._guess_resource_type = name_of_type
    ec2._ACTION_MAP["DescribeImages"] = describe_images
    elasticache._snapshot_xml = snapshot_of_cache
    rds._ACTION_MAP.update({
        "DescribeDBInstanceAutomatedBackups": describe_automated_backups,
        "DeleteDBInstanceAutomatedBackup": delete_automated_backup,
        "RetainDBInstanceAutomatedBackup": retain_automated_backup,
    })
    answers.install()
    provisioners._STACK_TAG_PROPERTY.update({name: ("Tags", "list") for name in TAGGED})
    stacks._provision_resource = ruled("create", stacks._provision_resource, lambda kind, logical_id, props, stack: (kind, logical_id, stack))
    stacks._update_resource = ruled(
        "update", stacks._update_resource, lambda kind, physical_id, old, new, stack, logical_id, *rest: (kind, logical_id, stack)
    )
    stacks._delete_resource = ruled(
        "delete", stacks._delete_resource, lambda kind, physical_id, props, stack=None, logical_id=None: (kind, logical_id, stack)
    )
    # A rule that delays must not hold up the whole emulator: its types go to a thread, as ministack does it for slow ones.
    threaded = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda kind: (
        threaded(kind)
        or any("delayMs" in rule and is_match(rule, type=kind) for rule in load_rules())
        or (kind == "AWS::ECS::Service" and containers.fate() is not None)
    )


def end_with_parent():
    """The other end of stdin is the test's: it closes when that ends, however it ends."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    install()
    threading.Thread(target=end_with_parent, daemon=True).start()
    from ministack.app import main

    main()
