// Texts from https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html and its neighbours task_cannot_pull_image.html,
// resource-initialization-error.html and out-of-memory.html, and from https://repost.aws/knowledge-center/ecs-task-stopped.
import { expect, it } from "vitest";
import { bearingOf, describeStopped } from "../../../../../src/targets/aws/releases/account/stopped-task.ts";
import { CONTAINER } from "../../../../../src/targets/aws/templates/compute/task.ts";

const REGISTRY = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";

it.each([
  [`CannotPullContainerError: API error (404): repository ${REGISTRY}/shop/web not found`],
  [`CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref ${REGISTRY}/web@sha256:0: not found`],
  [`CannotPullContainerError: manifest for ${REGISTRY}/web:1 not found: manifest unknown`],
  [
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): image Manifest does not contain descriptor matching platform 'linux/arm64'",
  ],
  ["CannotPullContainerError: write /var/lib/docker/tmp/GetImageBlob111111111: no space left on device"],
  [
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: service call has been retried 1 time(s): invalid ssm parameters: /landfall/shop/production/secrets/KEY",
  ],
  [
    "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
  ],
])("is final where the next task would find the same: %s", (stoppedReason) => {
  expect(bearingOf({ stopCode: "TaskFailedToStart", stoppedReason })).toBe("final");
});

it.each([
  [`CannotPullContainerError: pull image manifest has been retried 5 time(s): Head "https://${REGISTRY}/v2/": dial tcp 10.0.3.17:443: i/o timeout`],
  [`CannotPullContainerError: API error (500): Get https://${REGISTRY}/v2/: net/http: request canceled while waiting for connection`],
  ["CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy: httpReaderSeeker: failed open: unexpected status code 503"],
  ["CannotPullContainerError: toomanyrequests: Too Many Requests."],
  [`CannotPullContainerError: ${REGISTRY}/web: denied: User is not authorized to perform: ecr:BatchGetImage`],
  [
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: service call has been retried 3 time(s): RequestError: send request failed",
  ],
  ["ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m"],
  ["Timeout waiting for network interface provisioning to complete."],
  ["Something that AWS has not said before"],
])("is counted where the next task may fare better: %s", (stoppedReason) => {
  expect(bearingOf({ stopCode: "TaskFailedToStart", stoppedReason })).toBe("counted");
});

it("reads the reason also where the container has it", () => {
  const containers = [{ name: CONTAINER, reason: "CannotPullContainerError: manifest unknown" }];
  expect(bearingOf({ stopCode: "TaskFailedToStart", stoppedReason: "Task failed to start", containers })).toBe("final");
});

it("is final where a container ended or a check failed, and nothing where the task was asked to go or taken away", () => {
  const bearings = [
    ["EssentialContainerExited", "Essential container in task exited"],
    ["ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/web/0)"],
    ["ServiceSchedulerInitiated", "Task failed container health checks"],
    ["ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/123)"],
    ["SpotInterruption", "Your Spot Task was interrupted."],
    ["UserInitiated", "Task stopped by user"],
    [undefined, "Host EC2 (instance i-0) terminated."],
  ] as const;
  expect(bearings.map(([stopCode, stoppedReason]) => bearingOf({ stopCode, stoppedReason }))).toEqual([
    "final",
    "final",
    "final",
    "none",
    "none",
    "none",
    "none",
  ]);
});

it("names what never ran", () => {
  const task = {
    taskArn: "task/shop/0a1b",
    stopCode: "TaskFailedToStart" as const,
    stoppedReason: "ResourceInitializationError: unable to pull secrets",
  };
  expect(describeStopped([{ task, lines: [] }], { service: "web", environment: "production" }).code).toBe("CONTAINER_NOT_STARTED");
});

it("says with the last lines what they mean, and what to do", () => {
  const task = {
    taskArn: "arn:aws:ecs:eu-central-1:1:task/shop/0a1b",
    stopCode: "EssentialContainerExited" as const,
    stoppedReason: "Essential container in task exited",
    containers: [{ name: CONTAINER, exitCode: 1 }],
  };
  const lines = ["starting", "Traceback (most recent call last):", "KeyError: 'STRIPE_KEY'"];
  expect(describeStopped([{ task, lines }], { service: "web", environment: "production" })).toEqual({
    code: "INSTANCE_VARIABLE_MISSING",
    what: 'a new container of "web" lacks the variable "STRIPE_KEY"',
    next: "set it in services.web.environment; or, for a secret, add it to services.web.secrets and run  landfall secrets set production STRIPE_KEY",
    evidence: [
      ["task", "0a1b"],
      ["reason", "Essential container in task exited; status 1"],
      ["last log", "starting"],
      ["", "Traceback (most recent call last):"],
      ["", "KeyError: 'STRIPE_KEY'"],
    ],
  });
});
