"""Containers as far as an emulator without an engine can have them: tasks with an address, the tags of their service, and a place behind the
balancer; release phases that end at once, by the status in their command; and ranges of Application Auto Scaling, which are recorded only."""
import itertools

from ministack.services import alb, ecs
from ministack.services.cloudformation import provisioners

addresses = itertools.count(10)
PHASE = "-phase:"


def run_task(data):
    answer = started(data)
    if answer[0] >= 400:
        return answer
    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    service = ecs._services.get(f"{cluster}/{data.get('group', '').removeprefix('service:')}")
    for task in list(ecs._tasks.values()):
        if task["attachments"] or task["clusterArn"] != ecs._clusters[cluster]["clusterArn"]:
            continue
        number = next(addresses)
        task["attachments"] = [{
            "id": task["taskArn"], "type": "ElasticNetworkInterface", "status": "ATTACHED",
            "details": [{"name": "privateIPv4Address", "value": f"10.0.{number // 250}.{number % 250 + 1}"}],
        }]
        if service:
            task["tags"] = ecs._tags[task["taskArn"]] = list(service["tags"])
        if PHASE in task["taskDefinitionArn"]:
            command = ecs._task_defs[ecs._resolve_td_key(task["taskDefinitionArn"])]["containerDefinitions"][0]["command"][0]
            code = int(command.removeprefix("exit ")) if command.startswith("exit ") else 0
            ecs._mark_task_stopped(task["taskArn"], task, "Essential container in task exited", "EssentialContainerExited", code)
    return answer


started = ecs._run_task


def create_service(logical_id, props, stack_name):
    made = SERVICE["create"](logical_id, props, stack_name)
    publish(props, made[1]["Name"])
    return made


def update_service(physical_id, old_props, new_props, stack_name, *rest):
    name = physical_id.rsplit("/", 1)[-1]
    service = ecs._services[f"{new_props['Cluster']}/{name}"]
    service["tags"] = [{"key": tag["Key"], "value": tag["Value"]} for tag in new_props.get("Tags", [])]
    ecs._tags[service["serviceArn"]] = service["tags"]
    made = SERVICE["update"](physical_id, old_props, new_props, stack_name)
    kept = [one["TargetGroupArn"] for one in new_props.get("LoadBalancers") or []]
    for one in old_props.get("LoadBalancers") or []:
        if one["TargetGroupArn"] not in kept:
            alb._targets[one["TargetGroupArn"]] = []
    publish(new_props, name)
    return made


def publish(props, name):
    service = ecs._services[f"{props['Cluster']}/{name}"]
    ecs._sync_service_targets(props["Cluster"], service)


def delete_service(physical_id, props):
    for one in props.get("LoadBalancers") or []:
        alb._targets[one["TargetGroupArn"]] = []
    SERVICE["delete"](physical_id, props)


SERVICE = provisioners._RESOURCE_HANDLERS["AWS::ECS::Service"]


def list_families(data):
    """ministack takes AWS's word for families in any state for a state of its own."""
    return listed_families({**data, "status": "" if data.get("status") == "ALL" else data.get("status", "ACTIVE")})


listed_families = ecs._list_task_definition_families


def create_record(logical_id, props, stack_name):
    return f"{stack_name}-{logical_id}", {}


def update_record(physical_id, old_props, new_props, stack_name, *rest):
    return physical_id, {}


def delete_record(physical_id, props):
    pass


RECORD = {"create": create_record, "update": update_record, "delete": delete_record}


def install():
    ecs._run_task = run_task
    ecs._ACTION_MAP.update({"RunTask": run_task, "ListTaskDefinitionFamilies": list_families})
    provisioners._RESOURCE_HANDLERS.update({
        "AWS::ECS::Service": {**SERVICE, "create": create_service, "update": update_service, "delete": delete_service},
        "AWS::ApplicationAutoScaling::ScalableTarget": RECORD,
        "AWS::ApplicationAutoScaling::ScalingPolicy": RECORD,
    })
