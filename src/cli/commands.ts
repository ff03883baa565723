// The table of commands: their names, arguments and one line each. Help and suggestions need only this;
// a command's own file is loaded when it is the one that is run.
import type { Command } from "commander";

export interface CommandEntry {
  name: string;
  /** The arguments as they are typed: `<env> [ref]`. */
  usage: string;
  about: string;
  /** The only target whose environments it is for. */
  only?: "aws" | "local";
  /** Adds options, examples and the action to a command that has its name and arguments. */
  load: () => Promise<{ default: (command: Command) => void }>;
}

export const COMMANDS: CommandEntry[] = [
  { name: "init", usage: "", about: "write landfall.config.ts for the app found here", load: () => import("./commands/init.ts") },
  {
    name: "check",
    usage: "",
    about: "find mistakes in the configuration, without changing anything",
    load: () => import("./commands/check.ts"),
  },
  {
    name: "plan",
    usage: "<env>",
    about: "show what would change, and what it costs",
    load: async () => ({ default: (await import("./commands/plan.ts")).plan }),
  },
  {
    name: "preflight",
    usage: "<env>",
    about: "ask an AWS account what it would refuse, before anything is made",
    only: "aws",
    load: async () => ({ default: (await import("./commands/plan.ts")).preflight }),
  },
  { name: "commission", usage: "<env>", about: "create or update the environment", load: () => import("./commands/commission.ts") },
  {
    name: "deploy",
    usage: "<env> [ref]",
    about: "release what is here, or at a git ref, and roll it out",
    load: () => import("./commands/deploy.ts"),
  },
  { name: "rollback", usage: "<env>", about: "switch back to the previous release", load: () => import("./commands/rollback.ts") },
  {
    name: "resume",
    usage: "<env>",
    about: "finish an interrupted operation, or restore what was running",
    load: async () => ({ default: (await import("./commands/recovery.ts")).resume }),
  },
  {
    name: "abort",
    usage: "<env>",
    about: "undo an interrupted operation",
    load: async () => ({ default: (await import("./commands/recovery.ts")).abort }),
  },
  {
    name: "boot",
    usage: "<env>",
    about: "print the systemd unit that starts a local environment with its machine",
    only: "local",
    load: () => import("./commands/boot.ts"),
  },
  { name: "status", usage: "<env>", about: "show address, release, instances and resources", load: () => import("./commands/status.ts") },
  { name: "list", usage: "", about: "list the environments of this machine", load: () => import("./commands/list.ts") },
  { name: "hosts", usage: "<env>", about: "list the instances as an Ansible inventory", load: () => import("./commands/hosts.ts") },
  { name: "logs", usage: "<env> [service]", about: "show what the instances print", load: () => import("./commands/logs.ts") },
  { name: "events", usage: "<env>", about: "show what happened: deploys, restarts, verdicts", load: () => import("./commands/events.ts") },
  { name: "scale", usage: "<env> <counts...>", about: "set the number of instances of services", load: () => import("./commands/scale.ts") },
  {
    name: "exec",
    usage: "<env> <service> <command...>",
    about: "run a command as an instance of a service would, with its files and variables",
    load: () => import("./commands/exec.ts"),
  },
  {
    name: "shell",
    usage: "<env> <service>",
    about: "open a shell where the commands of exec run",
    load: async () => ({ default: (await import("./commands/exec.ts")).shell }),
  },
  {
    name: "iam",
    usage: "<env> [operation]",
    about: "print the AWS permissions that a person or a pipeline needs",
    only: "aws",
    load: () => import("./commands/iam.ts"),
  },
  {
    name: "export",
    usage: "<env>",
    about: "write templates and a runbook, to go on without Landfall",
    only: "aws",
    load: () => import("./commands/export.ts"),
  },
  { name: "secrets", usage: "", about: "set, list or remove the secrets of an environment", load: () => import("./commands/secrets.ts") },
  {
    name: "launch",
    usage: "<dir> <n>",
    about: "start n ready servers of the app in dir, with one command",
    load: () => import("./commands/launch.ts"),
  },
  {
    name: "rehearse",
    usage: "<env|service>",
    about: "boot its machines here; deploy, roll out and roll back under load",
    load: () => import("./commands/rehearse.ts"),
  },
  { name: "clean", usage: "[env]", about: "remove old images and releases, and expired leases", load: () => import("./commands/clean.ts") },
  {
    name: "decommission",
    usage: "<env>",
    about: "remove the environment, and prove that nothing is left",
    load: () => import("./commands/decommission.ts"),
  },
];

/** What an argument stands for, wherever it occurs. */
export const ARGUMENTS: Record<string, string> = {
  env: "an environment of landfall.config.ts",
  ref: "a git branch, tag or commit; the checked-out commit when left out",
  service: "a service of landfall.config.ts",
  counts: "SERVICE=NUMBER, as often as there are services to change",
  command: "the program and its arguments, after --",
  "env|service": "an environment of landfall.config.ts, or one of its services alone",
  operation: "the command to be allowed, such as commission; all when left out",
  dir: "the app's folder",
  n: "how many servers, from 1 on",
  name: "the secret's name, such as API_KEY",
};
