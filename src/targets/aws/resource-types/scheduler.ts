// EventBridge Scheduler.
import { permissions } from "./entry/cloudformation-permissions.ts";
import type { Service } from "./entry/resource-type.ts";
import { named } from "./entry/scope.ts";

export const SCHEDULER: Service = {
  types: {
    "AWS::Scheduler::Schedule": {
      label: "schedule",
      replacedBy: [],
      permissions: permissions("scheduler", {
        create: "CreateSchedule iam:PassRole",
        read: "GetSchedule",
        update: "UpdateSchedule iam:PassRole",
        remove: "DeleteSchedule",
      }),
      price: "free", // 14 million starts a month are free; what is started is said of its service.
      inventory: { notListed: "it has no tags; one whose cluster is gone starts nothing and costs nothing" },
    },
  },
  scopes: {
    scheduler: { all: named("scheduler", "schedule/default/") },
  },
};
