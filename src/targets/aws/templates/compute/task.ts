import { fargateMemory } from "../../../../config/rules/containers.ts";
import type { Container, Service } from "../../../../config/schema.ts";
import { containerEntry } from "../../../../machine/container.ts";
import { resourceVariables, type TakeOutput } from "../../resources/index.ts";
import type { DrawnFleet } from "../shared/drawn.ts";
import { type EnvironmentNames, logGroupName, secretPath, stackName } from "../shared/names.ts";
import type { Site } from "../shared/stack-builder.ts";

/** The container's name in its task, and the first part of its log streams' names: `app/app/<id of the task>`. */
export const CONTAINER = "app";
/** Lines that wait here while CloudWatch is slow; what comes beyond them is lost, and the app goes on. */
const LOG_BUFFER = "25m";
/** What the app and the agent for `exec` write to, where nothing else can be written. The image has them as volumes. */
export const WRITABLE = ["/tmp", "/var/lib/amazon", "/var/log/amazon"] as const;
const STOP_MAX_S = 120;
/** What ECS takes for a check. */
const CHECK_MIN_S = 5;
const CHECK_MAX_S = 300;
const CHECK_RETRIES = 10;

export interface TaskInput {
  site: Pick<Site, "app" | "environment" | "services" | "resources">;
  service: string;
  fleet: Pick<DrawnFleet, "release" | "image" | "settings">;
  region: string;
  executionRole: string;
  taskRole: string;
  /** The ARN of a parameter in SSM, by its path. */
  parameterArn: (path: string) => string;
  /** An output of the stack of data. */
  take: TakeOutput;
}

/** Of a service that runs as containers. */
export function containerOf({ container }: Service): Container {
  if (!container) throw new TypeError("a service that runs as machines has no container");
  return container;
}

/** The name of all descriptions of a service's task, one for each release. */
const familyOf = (site: EnvironmentNames, service: string) => stackName(site, "service", service);

/** Its own, and that of its release phase. */
export const familiesOf = (site: EnvironmentNames, service: string) => [familyOf(site, service), `${familyOf(site, service)}-phase`] as const;

/** What both CloudFormation and the call take. */
export function describeTask(input: TaskInput) {
  const { site, service, fleet, executionRole, taskRole } = input;
  const { settings } = fleet;
  const container = containerOf(settings);
  const sealed = container.dockerfile === undefined;
  return {
    family: familyOf(site, service),
    requiresCompatibilities: ["FARGATE" as const],
    networkMode: "awsvpc" as const,
    cpu: String(container.cpu * 1024),
    memory: String(fargateMemory(container)),
    runtimePlatform: {
      cpuArchitecture: container.architecture === "arm64" ? ("ARM64" as const) : ("X86_64" as const),
      operatingSystemFamily: "LINUX" as const,
    },
    executionRoleArn: executionRole,
    taskRoleArn: taskRole,
    ...(sealed ? { volumes: WRITABLE.map((path) => ({ name: volumeName(path) })) } : {}),
    containerDefinitions: [
      {
        name: CONTAINER,
        image: fleet.image,
        essential: true,
        // A job has its time and no more: nothing else would end it before the next one.
        entryPoint: containerEntry(settings.stop, settings.schedule === undefined ? 0 : Math.ceil(settings.timeout / 1000)),
        command: [settings.command],
        environment: plainVariables(input),
        secrets: secretVariables(input),
        ...(settings.port === undefined ? {} : { portMappings: [{ containerPort: settings.port, protocol: "tcp" as const }] }),
        ...(settings.schedule === undefined && settings.health.steadyFor > 0 ? { healthCheck: hasStayedUp(settings.health.steadyFor) } : {}),
        readonlyRootFilesystem: sealed,
        ...(sealed ? { mountPoints: WRITABLE.map((path) => ({ sourceVolume: volumeName(path), containerPath: path, readOnly: false })) } : {}),
        // Passes signals on to the entry, and collects what its children leave.
        linuxParameters: { initProcessEnabled: true },
        stopTimeout: Math.min(STOP_MAX_S, Math.max(2, Math.ceil(settings.stop.timeout / 1000))),
        logConfiguration: {
          logDriver: "awslogs" as const,
          options: {
            "awslogs-group": logGroupName(site, service),
            "awslogs-region": input.region,
            "awslogs-stream-prefix": CONTAINER,
            mode: "non-blocking",
            "max-buffer-size": LOG_BUFFER,
          },
        },
      },
    ],
  };
}

const volumeName = (path: string) => path.slice(1).replaceAll("/", "-");

/**
 * ECS counts a task, for a rollout, once its container's check passes: here, once it has stayed up for the window. One that ends before is a failed
 * task to the circuit breaker. Only what /bin/sh has itself is used, since nothing else need be in an image: the clock of the kernel, and the start
 * of process 1, in hundredths of a second. A check that fails within `startPeriod` is none.
 */
function hasStayedUp(windowMs: number) {
  const seconds = Math.ceil(windowMs / 1000);
  const upFor = "read -r up _ </proc/uptime; read -r stat </proc/1/stat; set -- ${stat##*) }; shift 19; test $((${up%.*} - $1 / 100)) -ge";
  return {
    command: ["CMD-SHELL", `${upFor} ${seconds}`],
    interval: Math.min(CHECK_MAX_S, Math.max(CHECK_MIN_S, seconds)),
    // A task that is short of processor time is not to be ended for it.
    timeout: 60,
    retries: CHECK_RETRIES,
    startPeriod: Math.min(CHECK_MAX_S, seconds + 2 * CHECK_MIN_S),
  };
}

interface Variable {
  name: string;
  value: string;
}

function plainVariables({ site, service, fleet, region, take }: TaskInput): Variable[] {
  const { port, environment } = fleet.settings;
  const variables = {
    LANDFALL_APP: site.app,
    LANDFALL_ENVIRONMENT: site.environment,
    LANDFALL_SERVICE: service,
    LANDFALL_RELEASE: fleet.release,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    HOST: "0.0.0.0",
    ...(port === undefined ? {} : { PORT: String(port) }),
    ...Object.fromEntries(resourceVariables(site, take).flatMap(({ name, from }) => ("plain" in from ? [[name, from.plain]] : []))),
    ...environment,
  };
  return byName(Object.entries(variables).map(([name, value]) => ({ name, value })));
}

/** ECS reads them when it starts a task, and puts them into its variables. */
function secretVariables({ site, fleet, parameterArn, take }: TaskInput): { name: string; valueFrom: string }[] {
  const secrets = fleet.settings.secrets.map((name) => ({ name, valueFrom: parameterArn(secretPath(site.app, site.environment, name)) }));
  const resources = resourceVariables(site, take).flatMap(({ name, from }) => {
    if ("parameter" in from) return [{ name, valueFrom: parameterArn(from.parameter) }];
    return "url" in from ? [{ name, valueFrom: from.url() }] : [];
  });
  return byName([...secrets, ...resources]);
}

const byName = <T extends { name: string }>(list: T[]): T[] => list.sort((a, b) => (a.name < b.name ? -1 : 1));
