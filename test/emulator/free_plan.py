"""Accounts on AWS's Free plan, which new ones have since July 2025. LANDFALL_EMULATOR_FREE_PLAN names a file with their numbers, one a line.
Types of machines: RhinoSecurityLabs/cloudgoat#375, aws-samples/eks-workshop-v2#1644, and the words of EC2 LinkedInLearning/learning-terraform-3087701#345.
Databases, in the words of yc-software/qm#352, whose number of days is AWS's to say: one is the least that keeps any backup."""
import os

import disks
from ministack.core.responses import get_account_id
from ministack.services import ec2
from ministack.services.cloudformation import provisioners

TYPES = ("c7i-flex.large", "m7i-flex.large", "t3.micro", "t3.small", "t4g.micro", "t4g.small")
BACKUP_DAYS_MAX = 1


def is_free():
    try:
        with open(os.environ["LANDFALL_EMULATOR_FREE_PLAN"], encoding="utf-8") as file:
            return get_account_id() in file.read().split()
    except OSError:
        return False


def refuse_type(kind):
    if is_free() and kind not in TYPES:
        return ("The specified instance type is not eligible for Free Tier. For a list of Free Tier instance types, run 'describe-instance-types' "
                "with the filter 'free-tier-eligible=true'.")
    return None


def refuse_database(props):
    if not is_free():
        return None
    if int(props.get("BackupRetentionPeriod", 1)) > BACKUP_DAYS_MAX:
        return ("The specified backup retention period exceeds the maximum available to free tier customers. To remove all limitations, upgrade your "
                "account plan. (Service: Rds, Status Code: 400, Error Code: FreeTierRestrictionError)")
    if not props.get("DBInstanceClass", "").endswith(".micro"):
        return ("This instance size isn't available with free plan accounts. To remove all limitations, upgrade your account plan. "
                "(Service: Rds, Status Code: 400, Error Code: FreeTierRestrictionError)")
    return None


def run_instances(params):
    refusal = refuse_type(ec2._p(params, "InstanceType"))
    return ec2._error("InvalidParameterCombination", refusal, 400) if refusal else ran(params)


def refuse_machine(props):
    """Of a launch template, in the words in which auto-scaling and CloudFormation hand EC2's on."""
    data, mixed = disks.template_of(props)
    refusal = None if mixed else refuse_type(data.get("InstanceType"))
    return refusal and f"{refusal} (Service: Ec2, Status Code: 400, Error Code: InvalidParameterCombination)"


def checked(kind, refusal):
    handler = provisioners._RESOURCE_HANDLERS[kind]

    def refusing(act, position):
        def run(*args, **kwargs):
            reason = refusal(args[position])
            if reason:
                raise ValueError(reason)
            return act(*args, **kwargs)

        return run

    changed = {"create": refusing(handler["create"], 1)}
    if "update" in handler:
        changed["update"] = refusing(handler["update"], 2)
    provisioners._RESOURCE_HANDLERS[kind] = {**handler, **changed}


def install():
    """After all that makes these types otherwise."""
    global ran
    ran = ec2._ACTION_MAP["RunInstances"]
    ec2._ACTION_MAP["RunInstances"] = run_instances
    checked("AWS::EC2::Instance", refuse_machine)
    checked("AWS::AutoScaling::AutoScalingGroup", refuse_machine)
    checked("AWS::RDS::DBInstance", refuse_database)
