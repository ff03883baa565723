// What one container of a service is told, as ECS takes it: from a template, or from a call for a release phase. Pure, and without the CDK.
import { fargateMemory } from "../../../config/containers.ts";
import type { Container, Service } from "../../../config/schema.ts";
import type { Site } from "./blueprint.ts";
import { secretPath } from "./names.ts";
import type { Fleet, TaskFacts } from "./running.ts";
import { logGroupName, resourceVariables } from "./settings.ts";

/** The container's name in its task, and the first part of its log streams' names: `app/app/<id of the task>`. */
export const CONTAINER = "app";
/** Lines that wait here while CloudWatch is slow; what comes beyond them is lost, and the app goes on. */
const LOG_BUFFER = "25m";
/** What the app and the agent for `exec` write to, where nothing else can be written. The image has them as volumes. */
export const WRITABLE = ["/tmp", "/var/lib/amazon", "/var/log/amazon"] as const;
const STOP_MAX_S = 120;
const KILL_AFTER_S = 10;

export interface TaskInput {
  site: Pick<Site, "app" | "name">;
  service: string;
  fleet: Pick<Fleet, "release" | "image"> & { task: TaskFacts };
  region: string;
  executionRole: string;
  taskRole: string;
  /** The ARN of a parameter in SSM, by its path. */
  parameterArn: (path: string) => string;
  /** An output of the stack `data`. */
  take: (output: string) => string;
}

/** The name of all descriptions of a service's task, one for each release. */
export const familyOf = ({ app, name }: TaskInput["site"], service: string) => `${app.name}-${name}-service-${service}`;

/** Its own, and that of its release phase. */
export const familiesOf = (site: TaskInput["site"], service: string) => [familyOf(site, service), `${familyOf(site, service)}-phase`] as const;

/** What both CloudFormation and the call take. */
export function describeTask(input: TaskInput) {
  const { site, service, fleet, executionRole, taskRole } = input;
  const settings = site.app.services[service] as Service;
  const container = settings.container as Container;
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
        entryPoint: entryPoint(settings),
        command: [fleet.task.command],
        environment: plainVariables(input),
        secrets: secretVariables(input),
        ...(settings.port === undefined ? {} : { portMappings: [{ containerPort: settings.port, protocol: "tcp" as const }] }),
        readonlyRootFilesystem: sealed,
        ...(sealed ? { mountPoints: WRITABLE.map((path) => ({ sourceVolume: volumeName(path), containerPath: path, readOnly: false })) } : {}),
        // Passes signals on, and collects what its children leave.
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

/** A job has its time and no more: nothing else would end it before the next one. */
const entryPoint = ({ schedule, timeout, stop }: Service): string[] =>
  schedule === undefined
    ? ["/bin/sh", "-c"]
    : ["timeout", "-s", stop.signal.slice(3), "-k", String(KILL_AFTER_S), String(Math.ceil(timeout / 1000)), "/bin/sh", "-c"];

interface Variable {
  name: string;
  value: string;
}

function plainVariables({ site, service, fleet, region, take }: TaskInput): Variable[] {
  const { port } = site.app.services[service] as Service;
  const own = {
    LANDFALL_APP: site.app.name,
    LANDFALL_ENVIRONMENT: site.name,
    LANDFALL_SERVICE: service,
    LANDFALL_RELEASE: fleet.release,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    HOST: "0.0.0.0",
    ...(port === undefined ? {} : { PORT: String(port) }),
    ...Object.fromEntries(resourceVariables(site, take).flatMap(({ name, from }) => ("plain" in from ? [[name, from.plain]] : []))),
    ...fleet.task.environment,
  };
  return byName(Object.entries(own).map(([name, value]) => ({ name, value })));
}

/** ECS reads them when it starts a task, and puts them into its variables. */
function secretVariables({ site, fleet, parameterArn, take }: TaskInput): { name: string; valueFrom: string }[] {
  const own = fleet.task.secrets.map((name) => ({ name, valueFrom: parameterArn(secretPath(site.app.name, site.name, name)) }));
  const resources = resourceVariables(site, take).flatMap(({ name, from }) => {
    if ("parameter" in from) return [{ name, valueFrom: parameterArn(from.parameter) }];
    return "url" in from ? [{ name, valueFrom: from.url() }] : [];
  });
  return byName([...own, ...resources]);
}

const byName = <T extends { name: string }>(list: T[]): T[] => list.sort((one, other) => (one.name < other.name ? -1 : 1));
