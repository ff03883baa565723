"""What CloudFormation finds wrong with a change set before anything of it is executed, as it does since November 2025. The change set fails
with general words, and what was found is told by DescribeEvents alone, to whoever names the change set by its ARN while it is there:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html, the words and the path from
aws/aws-cdk-cli#1000, #1463 and aws-cloudformation/rain#744, the name that is not enough from aws-cloudformation/cloudformation-cli#1116.

By rules of the launcher: {"when": "validate", "logicalId": "Balancer", "property": "Name", "fail": "#: extraneous key [Nam] is not permitted"};
with "warn": true it is told and refuses nothing. Events come one a page."""
from ministack.core.responses import new_uuid
from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, helpers, stacks

GENERAL = ("The following hook(s)/validation failed: [AWS::EarlyValidation::{name}]. To troubleshoot Early Validation errors, use the "
           "DescribeEvents API for detailed failure information.")


def finding(rule, stack_id, operation, logical_id, kind):
    inner = f"/Properties/{rule['property']}" if "property" in rule else ""
    return stacks._operation_event(
        stack_id, operation, "VALIDATION_ERROR", "CREATE_CHANGESET", LogicalResourceId=logical_id, ResourceType=kind,
        ValidationFailureMode="WARN" if rule.get("warn") else "FAIL", ValidationStatus="FAILED",
        ValidationName="PROPERTY_VALIDATION" if inner else "NAME_CONFLICT_VALIDATION",
        ValidationStatusReason=rule["fail"], ValidationPath=f"/Resources/{logical_id}{inner}")


def install(load_rules, is_match):
    created = handlers._ACTION_HANDLERS["CreateChangeSet"]

    def create(params):
        answer = created(params)
        made = cloudformation._change_sets.get(text_of(answer, "Id"))
        if answer[0] != 200 or made is None or made["Status"] != "CREATE_COMPLETE":
            return answer
        operation = new_uuid()
        made["_found"] = [
            finding(rule, made["StackId"], operation, logical_id, resource["Type"])
            for logical_id, resource in made["_template"]["Resources"].items()
            for rule in load_rules()
            if is_match(rule, when="validate", type=resource["Type"], logicalId=logical_id, stack=made["StackName"])
        ]
        refusing = [found for found in made["_found"] if found["ValidationFailureMode"] == "FAIL"]
        if refusing:
            name = "PropertyValidation" if refusing[0]["ValidationName"] == "PROPERTY_VALIDATION" else "ResourceExistenceCheck"
            made.update({"Status": "FAILED", "ExecutionStatus": "UNAVAILABLE", "StatusReason": GENERAL.format(name=name)})
        return answer

    described = handlers._ACTION_HANDLERS["DescribeEvents"]

    def describe(params):
        name = helpers._p(params, "ChangeSetName")
        if not name:
            return described(params)
        if not name.startswith("arn:"):
            return helpers._error("ValidationError", "One of ChangeSetName, OperationId or StackName must be specified")
        if name not in cloudformation._change_sets:
            return helpers._error("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)
        found, at = cloudformation._change_sets[name].get("_found", []), int(helpers._p(params, "NextToken") or 0)
        members = "".join(
            "<member>" + "".join(f"<{key}>{helpers._esc(value)}</{key}>" for key, value in one.items()) + "</member>" for one in found[at:at + 1])
        more = f"<NextToken>{at + 1}</NextToken>" if at + 1 < len(found) else ""
        return helpers._xml(200, "DescribeEventsResponse",
                            f"<DescribeEventsResult><OperationEvents>{members}</OperationEvents>{more}</DescribeEventsResult>")

    handlers._ACTION_HANDLERS.update({"CreateChangeSet": create, "DescribeEvents": describe})


def text_of(answer, tag):
    text = answer[2].decode() if isinstance(answer[2], bytes) else answer[2]
    return text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
