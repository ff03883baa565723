"""Containers as far as an emulator without an engine can have them: tasks with an address, the tags of their service, and a place behind the
balancer; release phases that end at once, by the status in their command; and ranges of Application Auto Scaling, which are recorded only.

What becomes of the tasks of a new deployment is a test's to say: LANDFALL_EMULATOR_TASKS names a JSON file with their fate (`TaskFate` in
emulator.ts). ECS starts another in the place of one that failed, until its circuit breaker has counted enough: ministack counts as AWS's page says
("How the Amazon ECS deployment circuit breaker detects failures": half of the desired count, 3 at least and 200 at most)."""
import itertools
import json
import os
import time

from ministack.services import alb, ecs
from ministack.services.cloudformation import handlers, provisioners, stacks

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
            # AWS's API reference of a Task: "the startedBy parameter contains the deployment ID of the service that starts it".
            task["startedBy"] = task["_deployment_id"]
            if is_doomed(service):
                hold(service, task)
        if PHASE in task["taskDefinitionArn"]:
            command = ecs._task_defs[ecs._resolve_td_key(task["taskDefinitionArn"])]["containerDefinitions"][0]["command"][0]
            code = int(command.removeprefix("exit ")) if command.startswith("exit ") else 0
            ecs._mark_task_stopped(task["taskArn"], task, "Essential container in task exited", "EssentialContainerExited", code)
    return answer


started = ecs._run_task


def create_service(logical_id, props, stack_name):
    made = SERVICE["create"](logical_id, props, stack_name)
    # A resource has its physical id from the beginning of its creation: AWS's page "Viewing stack event history". One that fails is removed again.
    resources = handlers._resolve_stack(stack_name)["_resources"]
    resources[logical_id] = {"PhysicalResourceId": made[0], "ResourceType": "AWS::ECS::Service", "ResourceStatus": "CREATE_IN_PROGRESS",
                             "Timestamp": stacks.now_iso()}
    try:
        settle(f"{props['Cluster']}/{made[1]['Name']}", stack_name)
    except ValueError:
        del resources[logical_id]
        delete_service(made[0], props)
        raise
    publish(props, made[1]["Name"])
    return made


def update_service(physical_id, old_props, new_props, stack_name, *rest):
    name = physical_id.rsplit("/", 1)[-1]
    service = ecs._services[f"{new_props['Cluster']}/{name}"]
    service["tags"] = [{"key": tag["Key"], "value": tag["Value"]} for tag in new_props.get("Tags", [])]
    ecs._tags[service["serviceArn"]] = service["tags"]
    made = SERVICE["update"](physical_id, old_props, new_props, stack_name)
    settle(f"{new_props['Cluster']}/{name}", stack_name)
    kept = [one["TargetGroupArn"] for one in new_props.get("LoadBalancers") or []]
    for one in old_props.get("LoadBalancers") or []:
        if one["TargetGroupArn"] not in kept:
            alb._targets[one["TargetGroupArn"]] = []
    publish(new_props, name)
    return made


def fate():
    try:
        with open(os.environ["LANDFALL_EMULATOR_TASKS"], encoding="utf-8") as file:
            return json.load(file)
    except (KeyError, OSError, ValueError):
        return None


# What has run once runs again: CloudFormation's way back is to such a one.
came_up = set()


def is_doomed(service):
    return fate() is not None and service["taskDefinition"] not in came_up


def hold(service, task):
    """A task is PENDING at first (AWS's page on the life of a task), and its deployment IN_PROGRESS."""
    task["lastStatus"] = "PENDING"
    task["_startup_stable"] = False
    ecs._primary_deployment(service).update(rolloutState="IN_PROGRESS", rolloutStateReason="")


def settle(key, stack_name):
    """CloudFormation waits until the deployment has come to its end. https://github.com/aws/aws-cdk/issues/7746 is why there is a breaker."""
    service = ecs._services[key]
    deployment = ecs._primary_deployment(service)
    failed = 0
    while is_doomed(service):
        doom = fate()
        if failed == doom.get("times", 1_000):
            break
        wait(doom, "firstMs" if failed == 0 else "everyMs", stack_name, deployment)
        if "event" in doom:
            text = f"(service {service['serviceName']}) {doom['event']}"
            service["events"].insert(0, {"id": str(failed), "createdAt": ecs._iso(), "message": text})
        else:
            stop(next(held(deployment)), doom)
        failed += 1
        if deployment["rolloutState"] == "FAILED":
            # As CloudFormation words it: https://repost.aws/knowledge-center/ecs-deployment-roll-back-failure and public reports.
            raise ValueError("Resource handler returned message: \"Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'.\" "
                             "(RequestToken: 00000000-0000-0000-0000-000000000000, HandlerErrorCode: GeneralServiceException)")
    came_up.add(service["taskDefinition"])
    for task in held(deployment):
        task["lastStatus"], task["_startup_stable"] = "RUNNING", True
    cluster, name = key.split("/")
    ecs._refresh_service_state(cluster, f"service:{name}")
    # Without an engine ministack goes no further than the first tasks that there is room for.
    for _ in range(service["desiredCount"] + 1):
        if deployment["rolloutState"] != "COMPLETED":
            ecs._reconcile_service_tasks(cluster, key)


def held(deployment):
    return (task for task in list(ecs._tasks.values()) if task["_deployment_id"] == deployment["id"] and task["lastStatus"] == "PENDING")


def wait(doom, key, stack_name, deployment):
    """A change that is cancelled is not waited for any more, and neither is that of a stack that is deleted: "User Initiated"."""
    until = time.monotonic() + doom.get(key, 200) / 1000
    while time.monotonic() < until:
        time.sleep(0.05)
        stack = handlers._resolve_stack(stack_name) or {}
        if not stack.get("_cancel_requested") and stack.get("StackStatus") != "DELETE_IN_PROGRESS":
            continue
        for task in held(deployment):
            reason = f"Scaling activity initiated by (deployment {deployment['id']})"
            ecs._mark_task_stopped(task["taskArn"], task, reason, "ServiceSchedulerInitiated")
        raise ValueError("Resource update cancelled")


def stop(task, doom):
    container = task["containers"][0]
    if "containerReason" in doom:
        container["reason"] = doom["containerReason"]
    definition = ecs._task_defs[ecs._resolve_td_key(task["taskDefinitionArn"])]["containerDefinitions"][0]
    log = ecs._awslogs_config(definition, task["taskArn"].rsplit("/", 1)[-1], None)
    ecs._ensure_awslogs_stream(log)
    for line in doom.get("lines", []):
        ecs._emit_awslogs_event(log, line)
    ecs._mark_task_stopped(task["taskArn"], task, doom["reason"], doom["stopCode"], doom.get("exitCode"))
    # ministack counts what ends by itself; AWS's breaker counts what its scheduler stops for a health check, too.
    if doom["stopCode"] == "ServiceSchedulerInitiated":
        ecs._record_service_task_failure(task)


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
