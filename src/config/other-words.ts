// Words that Landfall's keys and values had before, or have in other tools. None of them is accepted: each is an error that names the right one.
import { suggest } from "../text/suggest.ts";

/** By the word that is right. An entry counts only where that word may stand. */
const OTHER_WORDS: Record<string, readonly string[]> = {
  // Formerly.
  notify: ["alerts", "notifications"],
  budget: ["costCeiling", "costLimit"],
  minRequests: ["samples"],
  minHealthy: ["healthy", "minimumHealthyPercent"],
  maxHealthy: ["maximumPercent", "maximumHealthyPercent"],
  // Docker Compose, Kamal, Heroku, Fly, Render, ECS and Kubernetes.
  services: ["roles", "servers", "processes", "formation", "deployments", "apps"],
  resources: ["accessories", "addons", "databases", "dependencies"],
  command: ["cmd", "entrypoint", "startCommand", "run"],
  environment: ["env", "envVars", "variables", "config"],
  instances: ["replicas", "quantity", "desiredCount", "count", "numInstances"],
  port: ["ports", "appPort", "containerPort", "expose"],
  health: ["healthcheck", "livenessProbe", "readinessProbe"],
  interval: ["period", "periodSeconds"],
  startupTimeout: ["deadline", "startPeriod", "deployTimeout", "healthCheckGracePeriod", "initialDelaySeconds"],
  unhealthyAfter: ["retries", "failureThreshold", "unhealthyThreshold"],
  stop: ["stopGracePeriod", "stopSignal", "killTimeout", "killSignal", "terminationGracePeriodSeconds"],
  drain: ["drainTimeout", "deregistrationDelay", "preStop"],
  schedule: ["cron", "cronSchedule"],
  scaling: ["autoscale", "autoscaling"],
  maxReceiveCount: ["deadLetterAfter", "maxRetries"],
  expand: ["migrate", "releaseCommand", "preDeployCommand"],
  packages: ["apt", "aptPackages", "systemPackages"],
  // Values.
  postgres: ["postgresql", "pg"],
  mysql: ["mariadb"],
  cache: ["redis", "valkey", "memcached"],
  bucket: ["s3", "storage"],
  queue: ["sqs"],
  arm64: ["aarch64", "arm"],
  amd64: ["x86_64", "x64", "x86"],
  blueGreen: ["blue/green", "bluegreen"],
};

/** `start_period`, `start-period` and `startPeriod` are the same. */
const bare = (word: string) => word.toLowerCase().replace(/[_-]/g, "");

/** The one of `known` that `given` means: another word for it, or a misspelling of it. */
export const meantWord = (misspelt: string, words: readonly string[]): string | undefined =>
  words.find((word) => OTHER_WORDS[word]?.some((synonym) => bare(synonym) === bare(misspelt))) ?? suggest(misspelt, words);
