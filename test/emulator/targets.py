"""Target groups as the balancer keeps them: one that a rule leads to cannot be deleted, in AWS's words of pulumi/pulumi#5900. CloudFormation replaces
one whose port changes by making another first; what was in the old one is in the new one once its group of instances or its service is updated.
And the log of an outage: each rule that led requests to nobody after any step of CloudFormation, in words. `DescribeOutages` gives it, which is no call of AWS."""
from ministack.core.responses import get_account_id
from ministack.services import alb
from ministack.services.cloudformation import provisioners

RULE = provisioners._RESOURCE_HANDLERS["AWS::ElasticLoadBalancingV2::ListenerRule"]
# By the rule's ARN: the groups that it leads to, with their shares, and whether a request can reach it.
leads = {}
outages = {}


def note(rule, props):
    groups = [
        (one["TargetGroupArn"], int(one.get("Weight", 1)))
        for action in props.get("Actions") or []
        for one in action.get("ForwardConfig", {}).get("TargetGroups", [])
    ]
    reached = not any("127.0.0.1/32" in one.get("SourceIpConfig", {}).get("Values", []) for one in props.get("Conditions") or [])
    leads[rule] = (groups, reached)


def create_rule(logical_id, props, stack_name):
    rule, attributes = RULE["create"](logical_id, props, stack_name)
    note(rule, props)
    return rule, attributes


def update_rule(physical_id, old_props, new_props, stack_name, logical_id=None):
    rule, attributes = RULE["update"](physical_id, old_props, new_props, stack_name, logical_id)
    note(rule, new_props)
    return rule, attributes


def delete_rule(physical_id, props):
    RULE["delete"](physical_id, props)
    leads.pop(physical_id, None)


def refuse_used_group(group):
    if any(group == one for groups, _ in leads.values() for one, _ in groups):
        return (f"Target group '{group}' is currently in use by a listener or a rule (Service: ElasticLoadBalancingV2, Status Code: 400, "
                "Error Code: ResourceInUse)")
    return None


def leave(groups, ids):
    """Takes targets out of groups."""
    for group in groups:
        alb._targets[group] = [one for one in alb._targets.get(group, []) if one["Id"] not in ids]


def look():
    """After each step of CloudFormation."""
    for rule in list(alb._rules.keys()):
        groups, reached = leads.get(rule, ([], False))
        asked = [group for group, weight in groups if weight > 0]
        if reached and asked and not any(alb._targets.get(group) for group in asked):
            said = f"rule {alb._rules[rule]['Priority']} led to {', '.join(group.split('/')[-2] for group in asked)}"
            log = outages.setdefault(get_account_id(), [])
            if said not in log:
                log.append(said)


def describe_outages(params):
    items = "".join(f"<member>{one}</member>" for one in outages.get(get_account_id(), []))
    return alb._xml(200, "DescribeOutages", f"<Outages>{items}</Outages>")


def install():
    provisioners._RESOURCE_HANDLERS["AWS::ElasticLoadBalancingV2::ListenerRule"] = {
        **RULE, "create": create_rule, "update": update_rule, "delete": delete_rule}
    alb._ACTION_MAP["DescribeOutages"] = describe_outages
