// Systems Manager: the app's own secrets, in Parameter Store. No template has them.
import { rowsOf } from "../account/pages.ts";
import { each } from "./entry/lookup.ts";
import type { ResourceKind, Service } from "./entry/resource-type.ts";
import { anywhere, arn, type Narrow, tagged } from "./entry/scope.ts";

/** The app's own secrets: `landfall secrets` keeps them under the environment's path. */
const PARAMETER: ResourceKind = {
  removal: "security",
  name: "parameter",
  arn: /:ssm:[^:]*:\d*:parameter(\/.+)$/,
  keeps: "with the data",
  cost: "costs nothing",
  find: async (discovery) => {
    const ssm = await discovery.context.clients.ssm();
    const path = `/landfall/${discovery.app}/${discovery.environment}`;
    const parameters = await rowsOf(
      ssm.paginateDescribeParameters({ ParameterFilters: [{ Key: "Path", Option: "Recursive", Values: [path] }] }),
      (page) => page.Parameters,
    );
    return parameters.map(({ Name: id = "" }) => ({ id, owner: "environment" as const }));
  },
  look: async ({ context }, ids) => {
    const ssm = await context.clients.ssm();
    return each(ids, async (id) => {
      const { Parameters = [] } = await ssm.describeParameters({ ParameterFilters: [{ Key: "Name", Option: "Equals", Values: [id] }] });
      return Parameters.length > 0 ? {} : undefined;
    });
  },
  remove: async ({ context }, id) => (await context.clients.ssm()).deleteParameter({ Name: id }),
};

const debianImages: Narrow = ({ partition, region }) => ({ resources: [`arn:${partition}:ssm:${region}::parameter/aws/service/debian/*`] });
/** Of AWS's own. */
const document =
  (name: string): Narrow =>
  ({ partition, region }) => ({ resources: [`arn:${partition}:ssm:${region}::document/${name}`] });

export const SYSTEMS_MANAGER: Service = {
  types: {},
  beside: [PARAMETER],
  scopes: {
    ssm: {
      all: (site) => ({ resources: [arn(site, "ssm", `parameter/landfall/${site.app}/${site.environment}/*`)] }),
      calls: {
        CancelCommand: anywhere("A command that was sent is known by its number alone."),
        GetCommandInvocation: anywhere("A command that was sent is known by its number alone."),
        GetParameter: debianImages,
        GetParameters: debianImages,
        SendCommand: [tagged("ec2", "instance/*"), document("AWS-RunShellScript")],
        StartSession: [tagged("ec2", "instance/*"), document("AWS-StartInteractiveCommand")],
      },
    },
  },
};
