"""The vCPUs that an account may run at once, of machines of the standard families on demand. A new account mostly gets 5:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html (on-demand instance quotas, counted in vCPUs).
Words of RunInstances: scrapoxy/scrapoxy#202; of a group, whose first launches CloudFormation waits for: kubernetes/kops#15778,
widdix/aws-s3-virusscan#55. GetServiceQuota: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html.

A dry run is answered before vCPUs are counted: aws/aws-parallelcluster#1779 ("the code is no longer able to check AWS account limits", May 2020). It
was refused for the number of instances while that was the quota: aws/aws-parallelcluster#872 (February 2019). AWS's pages promise neither, so either is
to be had here.

LANDFALL_EMULATOR_VCPUS names a file with the quota, and "dry" after it where dry runs are refused as well; without it there is none, and Service Quotas
does not answer."""
import json
import os

import disks
from ministack.core import router
from ministack.core.responses import error_response_json, json_response
from ministack.services import autoscaling, ec2
from ministack.services.cloudformation import provisioners

EXCEEDED = ("You have requested more vCPU capacity than your current vCPU limit of {quota} allows for the instance bucket that the specified "
            "instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.")
CODES = {"L-1216C47A": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"}
# Of types that tests use, from https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html.
VCPUS = {"t4g.nano": 2, "t4g.micro": 2, "t4g.small": 2, "t4g.medium": 2, "t3.medium": 2, "m7g.large": 2, "m7g.xlarge": 4}


def told():
    try:
        with open(os.environ["LANDFALL_EMULATOR_VCPUS"], encoding="utf-8") as file:
            return file.read().split()
    except OSError:
        return []


def quota():
    return int(told()[0]) if told() else None


def running(but=()):
    return sum(VCPUS[one["InstanceType"]] for name, one in ec2._instances.items()
               if one["State"]["Name"] in ("pending", "running") and name not in but)


def exceeds(vcpus, but=()):
    most = quota()
    return EXCEEDED.format(quota=most) if most is not None and running(but) + vcpus > most else None


def run_instances(params):
    if ec2._p(params, "DryRun") == "true" and "dry" not in told():
        return ran(params)
    refusal = exceeds(VCPUS[ec2._p(params, "InstanceType")] * int(ec2._p(params, "MinCount"))) if quota() is not None else None
    return ec2._error("VcpuLimitExceeded", refusal, 400) if refusal else ran(params)


def refuse_group(props, own=()):
    data, _ = disks.template_of(props)
    wanted = int(props.get("DesiredCapacity", props.get("MinSize", 0)))
    refusal = exceeds(VCPUS[data["InstanceType"]] * wanted, own) if quota() is not None and wanted > 0 else None
    if refusal:
        raise ValueError(f"{refusal} Launching EC2 instance failed.")


def create_group(logical_id, props, stack_name):
    refuse_group(props)
    return GROUP["create"](logical_id, props, stack_name)


def update_group(physical_id, old, new, *rest):
    refuse_group(new, [one["InstanceId"] for one in autoscaling._asgs[physical_id]["Instances"]])
    return GROUP["update"](physical_id, old, new, *rest)


async def service_quotas(method, path, headers, body, query):
    code = json.loads(body)["QuotaCode"]
    if quota() is None or code not in CODES:
        return error_response_json("NoSuchResourceException", "The request failed because the specified quota does not exist.", 400)
    return json_response({"Quota": {"ServiceCode": "ec2", "QuotaCode": code, "QuotaName": CODES[code], "Value": float(quota()), "Adjustable": True}})


def install():
    global GROUP, ran
    from ministack import app

    ran = ec2._ACTION_MAP["RunInstances"]
    ec2._ACTION_MAP["RunInstances"] = run_instances
    GROUP = provisioners._RESOURCE_HANDLERS["AWS::AutoScaling::AutoScalingGroup"]
    provisioners._RESOURCE_HANDLERS["AWS::AutoScaling::AutoScalingGroup"] = {**GROUP, "create": create_group, "update": update_group}
    router.SERVICE_PATTERNS["servicequotas"] = {"target_prefixes": ["ServiceQuotasV20190624"], "credential_scope": "servicequotas"}
    app.SERVICE_HANDLERS["servicequotas"] = service_quotas
