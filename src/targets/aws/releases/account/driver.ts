// Releases in an account on AWS: the driver over CloudFormation, EC2, Systems Manager, S3 and CloudWatch.
import { objectsIn } from "../../account/objects.ts";
import type { Context } from "../../context.ts";
import { loadEnvironmentOutputs } from "../../environment-outputs.ts";
import { requireSecrets } from "../../secrets.ts";
import type { ReleaseContext } from "../driver.ts";
import { builderInstances } from "./builder-instances.ts";
import { runContainerTask } from "./container-task.ts";
import { ensureContainers, requireContainers } from "./containers.ts";
import { accountFleets } from "./fleets.ts";
import { machineImages } from "./machine-images.ts";

/** Errors: ENVIRONMENT_NOT_COMMISSIONED. */
export async function openAccount(context: Context): Promise<ReleaseContext> {
  const outputs = await loadEnvironmentOutputs(context);
  return {
    ...context,
    driver: {
      region: await (await context.clients.ec2()).config.region(),
      outputs,
      bucket: outputs.bucket,
      objects: objectsIn(context, outputs.bucket),
      secretsRevision: (users) => requireSecrets(context, users),
      fleets: accountFleets(context, outputs),
      tasks: builderInstances(context, outputs),
      images: machineImages(context),
      containers: {
        ensure: (release, source) => ensureContainers(context, outputs, release, source),
        require: (images, release) => requireContainers(context, images, release),
        run: (phase) => runContainerTask(context, outputs, phase),
      },
    },
  };
}
