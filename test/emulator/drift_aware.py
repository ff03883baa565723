"""Drift-aware change sets, which CloudFormation has since November 2025: with DeploymentMode REVERT_DRIFT it reads what is there while it makes the
change set, and compares three ways: what is there, what the last deployment wrote, and what the template says now.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html and the API reference of CreateChangeSet,
DescribeChangeSet, ResourceChange and ResourceTargetDefinition; what is deleted is made anew by
https://aws.amazon.com/blogs/devops/safely-handle-configuration-drift-with-cloudformation-drift-aware-change-sets

Without the mode nothing is known of drift, and what a template does not change is not touched. Values are given only when they are asked for
(IncludePropertyValues). A drifted resource is never replaced: the words are those of aws-cloudformation/cloudformation-coverage-roadmap#2465.
A property that already is as the template says is only noted so (SyncWithActual). On the way back a resource is as it was found.

The groups of EC2 are read too, which ministack does not: rules that other resources of the same stack add to a group are no drift of it, and those of
other stacks are: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html, "attachment relationships".

By a rule of the launcher a type is one that AWS cannot compare: {"when": "detect", "type": "AWS::SQS::Queue"}."""
import copy
import json

from ministack.core.responses import now_iso
from ministack.services import cloudformation, ec2
from ministack.services.cloudformation import changesets, drift, handlers, helpers
from validation import text_of

MODE = "REVERT_DRIFT"
REPLACED = ("The submitted information requires replacement of drifted resources, which is not supported. "
            "Resolve drift before changing immutable resource properties")
EMPTY = "The submitted information didn't contain changes. Submit different information to create a change set."
WAYS = {"SecurityGroupEgress": ("IpPermissionsEgress", "AWS::EC2::SecurityGroupEgress", "DestinationSecurityGroupId"),
        "SecurityGroupIngress": ("IpPermissions", "AWS::EC2::SecurityGroupIngress", "SourceSecurityGroupId")}


def rules_of(group, way):
    """As templates write them; descriptions are left out, which ministack does not keep for each rule."""
    stored, _, peer = WAYS[way]
    found = []
    for one in group.get(stored) or []:
        ports = {key: one[key] for key in ("FromPort", "ToPort") if one.get(key) is not None and str(one["IpProtocol"]) != "-1"}
        base = {"IpProtocol": str(one["IpProtocol"]), **{key: int(value) for key, value in ports.items()}}
        found += [{**base, "CidrIp": each["CidrIp"]} for each in one.get("IpRanges") or []]
        found += [{**base, peer: each["GroupId"]} for each in one.get("UserIdGroupPairs") or one.get("Groups") or []]
    return found


def written(rules):
    return [{key: (int(value) if key.endswith("Port") else str(value) if key == "IpProtocol" else value)
             for key, value in rule.items() if key != "Description"} for rule in rules]


def read_group(stack):
    def read(physical_id, props):
        group = ec2._security_groups.get(physical_id)
        if group is None:
            return None
        found = {}
        for way, (_, kind, _) in WAYS.items():
            if not props.get(way):
                continue
            attached = [written([{key: value for key, value in one["Properties"].items() if key != "GroupId"}])[0]
                        for one in stack["_resources"].values()
                        if one["ResourceType"] == kind and one["Properties"].get("GroupId") == physical_id]
            expected = written(props[way])
            actual = [rule for rule in rules_of(group, way) if rule not in attached]
            # In the template's own words where they say the same, so that only what differs is reported.
            found[way] = [given for given, rule in zip(props[way], expected) if rule in actual] + [rule for rule in actual if rule not in expected]
        return found

    return read


def look(stack, unsupported):
    """What a look at the stack finds, by logical name; nothing is kept of it."""
    drift._DRIFT_READERS["AWS::EC2::SecurityGroup"] = (read_group(stack), frozenset(WAYS))
    return {
        name: drift.detect_resource_drift(stack, name, record, now_iso())
        for name, record in stack["_resources"].items()
        if drift.supports_drift(record["ResourceType"]) and not unsupported(record["ResourceType"])
    }


def difference(name, found, desired):
    """Of one drifted property of a resource, against what the template says now."""
    before, actual = json.loads(found["ExpectedProperties"]).get(name), json.loads(found["ActualProperties"]).get(name)
    kind = "SyncWithActual" if drift._same(desired, actual) else "Add" if actual is None else "Remove" if desired is None else "Modify"
    text = drift._scalar_text
    return {
        "Target": {"Attribute": "Tags" if name == "Tags" else "Properties", "Name": name, "Path": f"/Properties/{name}", "RequiresRecreation": "Never",
                   "AttributeChangeType": kind, "BeforeValueFrom": "ACTUAL_STATE", "AfterValueFrom": "TEMPLATE",
                   "BeforeValue": text(actual), "AfterValue": text(desired), "Drift": {"PreviousValue": text(before), "ActualValue": text(actual)}},
        "Evaluation": "Static", "ChangeSource": "DirectModification"}


def modified(name, record, change, found, desired):
    """A change of a resource that was changed by hand; None when it would have to be replaced."""
    if change and change.get("Replacement") == "True":
        return None
    drifted = {one["PropertyPath"].split("/")[1] for one in found["PropertyDifferences"]}
    others = [one for one in (change or {}).get("Details", []) if one["Target"].get("Name") not in drifted]
    details = [difference(key, found, desired.get(key)) for key in sorted(drifted)] + others
    synced = all(one["Target"].get("AttributeChangeType") == "SyncWithActual" for one in details)
    return {"Action": "SyncWithActual" if synced else "Modify", "LogicalResourceId": name, "PhysicalResourceId": record["PhysicalResourceId"],
            "ResourceType": record["ResourceType"], "Replacement": (change or {}).get("Replacement", "False"),
            "Scope": ["Properties"], "Details": details, "ResourceDriftStatus": "MODIFIED"}


def compare(change_set, stack, unsupported):
    found = look(stack, unsupported)
    changes = {one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"] for one in change_set["Changes"]}
    desired = changesets._resolve_props_for_diff(change_set["_template"], change_set["_resolved_params"], stack["StackName"], stack["StackId"])
    for name, record in stack["_resources"].items():
        status = found[name]["StackResourceDriftStatus"] if name in found else "UNSUPPORTED"
        if name not in change_set["_template"]["Resources"] or status not in ("MODIFIED", "DELETED"):
            if name in changes:
                changes[name]["ResourceDriftStatus"] = status
        elif status == "DELETED":
            changes[name] = {"Action": "Add", "LogicalResourceId": name, "ResourceType": record["ResourceType"], "ResourceDriftStatus": "DELETED"}
        else:
            said = desired["Resources"][name].get("Properties", {})
            changed = {one["Target"].get("Name") for one in changes.get(name, {}).get("Details", [])}
            # What the template does not change is as it was resolved when it was deployed.
            props = {**record["Properties"], **{key: value for key, value in said.items() if key in changed}}
            # A stack's tags are on what is in it, and no part of its template.
            props["Tags"] = json.loads(found[name]["ExpectedProperties"]).get("Tags")
            changes[name] = modified(name, record, changes.get(name), found[name], props)
            if changes[name] is None:
                return change_set.update({"Status": "FAILED", "ExecutionStatus": "UNAVAILABLE", "StatusReason": REPLACED, "Changes": []})
    drifted = {name: one for name, one in found.items() if one["StackResourceDriftStatus"] in ("MODIFIED", "DELETED")}
    change_set.update({
        "Changes": [{"ResourceChange": one} for one in changes.values()], "_drifted": drifted,
        "StackDriftStatus": "DRIFTED" if drifted else "IN_SYNC",
        **({"Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE", "StatusReason": ""} if changes
           else {"Status": "FAILED", "ExecutionStatus": "UNAVAILABLE", "StatusReason": EMPTY})})


def take_as_found(stack, drifted):
    """What is there is what is changed from, and gone back to."""
    for name, found in drifted.items():
        if found["StackResourceDriftStatus"] == "DELETED":
            stack["_resources"].pop(name, None)
            continue
        record = stack["_resources"][name] = copy.deepcopy(stack["_resources"][name])
        actual = json.loads(found["ActualProperties"])
        for one in found["PropertyDifferences"]:
            key = one["PropertyPath"].split("/")[1]
            if key in actual:
                record["Properties"][key] = actual[key]
            else:
                record["Properties"].pop(key, None)


def element(name, value):
    return "" if value is None else f"<{name}>{helpers._esc(str(value))}</{name}>"


def target_xml(target, values):
    inner = "".join(element(key, target.get(key)) for key in ("Attribute", "Name", "RequiresRecreation", "Path", "AttributeChangeType",
                                                              "BeforeValueFrom", "AfterValueFrom"))
    if values:
        inner += element("BeforeValue", target.get("BeforeValue")) + element("AfterValue", target.get("AfterValue"))
        if "Drift" in target:
            inner += "<Drift>" + "".join(element(key, value) for key, value in target["Drift"].items()) + "</Drift>"
    return f"<Target>{inner}</Target>"


def change_xml(change, values):
    details = "".join("<member>" + target_xml(one["Target"], values) + element("Evaluation", one.get("Evaluation"))
                      + element("ChangeSource", one.get("ChangeSource")) + element("CausingEntity", one.get("CausingEntity")) + "</member>"
                      for one in change.get("Details", []))
    keys = ("Action", "LogicalResourceId", "PhysicalResourceId", "ResourceType", "Replacement", "PolicyAction", "ResourceDriftStatus")
    return ("<member><Type>Resource</Type><ResourceChange>" + "".join(element(key, change.get(key)) for key in keys)
            + f"<Details>{details}</Details></ResourceChange></member>")


def install(load_rules, is_match):
    def unsupported(kind):
        return any(is_match(rule, when="detect", type=kind) for rule in load_rules())

    created, described, executed = (handlers._ACTION_HANDLERS[name] for name in ("CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet"))
    detected, supported = handlers._ACTION_HANDLERS["DetectStackDrift"], drift.supports_drift

    def create(params):
        mode = helpers._p(params, "DeploymentMode")
        if mode and mode != MODE:
            return helpers._error("ValidationError", f"1 validation error detected: Value '{mode}' at 'deploymentMode' failed to satisfy "
                                  f"constraint: Member must satisfy enum value set: [{MODE}]")
        answer = created(params)
        made = cloudformation._change_sets.get(text_of(answer, "Id"))
        if mode and answer[0] == 200 and made is not None and made["ChangeSetType"] == "UPDATE":
            made["DeploymentMode"] = mode
            compare(made, handlers._resolve_stack(made["StackName"]), unsupported)
        return answer

    def describe(params):
        answer = described(params)
        _, made = changesets._find_change_set(helpers._p(params, "ChangeSetName"), helpers._p(params, "StackName"))
        if answer[0] != 200 or not made or not made.get("DeploymentMode"):
            return answer
        values = helpers._p(params, "IncludePropertyValues", "false").lower() == "true"
        text = answer[2].decode() if isinstance(answer[2], bytes) else answer[2]
        before, _, rest = text.partition("<Changes>")
        changes = "".join(change_xml(one["ResourceChange"], values) for one in made["Changes"])
        more = element("DeploymentMode", made["DeploymentMode"]) + element("StackDriftStatus", made.get("StackDriftStatus"))
        return answer[0], answer[1], f"{before}<Changes>{changes}</Changes>{more}{rest.partition('</Changes>')[2]}".encode()

    def execute(params):
        _, made = changesets._find_change_set(helpers._p(params, "ChangeSetName"), helpers._p(params, "StackName"))
        if made and made.get("_drifted") and made["ExecutionStatus"] == "AVAILABLE":
            take_as_found(handlers._resolve_stack(made["StackName"]), made["_drifted"])
        return executed(params)

    def detect(params):
        stack = handlers._resolve_stack(helpers._p(params, "StackName") or "")
        if stack:
            drift._DRIFT_READERS["AWS::EC2::SecurityGroup"] = (read_group(stack), frozenset(WAYS))
        return detected(params)

    handlers._ACTION_HANDLERS.update({"CreateChangeSet": create, "DescribeChangeSet": describe, "ExecuteChangeSet": execute, "DetectStackDrift": detect})
    drift.supports_drift = lambda kind: supported(kind) and not unsupported(kind)
