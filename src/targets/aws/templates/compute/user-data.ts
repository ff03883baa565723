// The user data of an instance: shell variables before its script. Values of other stacks come in as parameters, so a
// script holds none, and no secret is among them: only where each of them is.
import type { aws_elasticloadbalancingv2 as elb } from "aws-cdk-lib";
import { resourcesText } from "../../resources/index.ts";
import { cdk } from "../shared/cdk.ts";
import type { DrawnFleet } from "../shared/drawn.ts";
import { logGroupName, metricNamespace, secretPath } from "../shared/names.ts";
import { type ServicePlace, takeData } from "./service-place.ts";

export interface UserDataInput extends ServicePlace {
  /** The logical name of the group: what the instance tells CloudFormation about. */
  group: string;
  fleet: DrawnFleet;
  /** By which the balancer checks its instances, and how long that may take; web services only. */
  target?: { group: elb.CfnTargetGroup };
  attachMs: number;
}

/** The user data of an instance. */
export function makeUserData(input: UserDataInput): string {
  const lines = Object.entries(variablesOf(input)).map(([name, value]) => `${name}='${value}'`);
  return cdk.Fn.base64(["#!/bin/bash", ...lines, input.fleet.script].join("\n"));
}

function variablesOf(input: UserDataInput): Record<string, string> {
  const { site, service, builder, shared, group, fleet, target, attachMs } = input;
  const { app, environment } = site;
  const { settings, proxy } = fleet;
  return {
    LANDFALL_APP: app,
    LANDFALL_ENVIRONMENT: environment,
    LANDFALL_SERVICE: service,
    LANDFALL_RELEASE: fleet.release,
    LANDFALL_REGION: cdk.Aws.REGION,
    LANDFALL_STACK: cdk.Aws.STACK_NAME,
    LANDFALL_GROUP: group,
    LANDFALL_ARTIFACTS: builder.parameter(shared, "ArtifactsBucket"),
    LANDFALL_LOG_GROUP: logGroupName(site, service),
    LANDFALL_METRICS: metricNamespace(site),
    ...(settings.port === undefined ? {} : { LANDFALL_PORT: String(settings.port) }),
    ...(proxy === undefined ? {} : { LANDFALL_PROXY_PORT: String(proxy.port) }),
    ...(target === undefined ? {} : { LANDFALL_TARGET_GROUP: target.group.ref, LANDFALL_ATTACH_MS: String(attachMs) }),
    LANDFALL_SECRETS_PATH: secretPath(app, environment, ""),
    LANDFALL_SECRETS: settings.secrets.join(" "),
    LANDFALL_RESOURCES: resourcesText(site, takeData(input)),
  };
}
