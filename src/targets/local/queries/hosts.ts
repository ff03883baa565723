// The instances as an inventory for tools that work on machines.
import type { Inventory, Status } from "../../../reports.ts";
import type { Context } from "../context.ts";
import { observeStatus } from "./status.ts";

export const observeHosts = async (context: Context): Promise<Inventory> => describeInventory(await observeStatus(context));

/** Ansible's dynamic inventory: one group a service, one host an instance, all reached on this machine. */
function describeInventory(status: Status): Inventory {
  const instances = status.services.flatMap((service) => service.instances);
  const groups = status.services.filter((service) => service.instances.length > 0);
  return {
    _meta: {
      hostvars: Object.fromEntries(
        instances.map((instance) => [
          instance.id,
          {
            ansible_connection: "local",
            ansible_host: "127.0.0.1",
            landfall_app: status.app,
            landfall_environment: status.environment,
            landfall_service: instance.service,
            landfall_release: instance.release,
            landfall_state: instance.state,
            ...(instance.port ? { landfall_port: instance.port } : {}),
            ...(instance.pid ? { landfall_pid: instance.pid } : {}),
          },
        ]),
      ),
    },
    all: { children: groups.map((service) => service.name) },
    ...Object.fromEntries(groups.map((service) => [service.name, { hosts: service.instances.map((instance) => instance.id) }])),
  };
}
