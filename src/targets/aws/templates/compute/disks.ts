// The size of machines' disks: as large as the configuration says, and never smaller than the image that they begin with, because EC2
// makes no volume that is smaller than its snapshot. Pure.
import type { Deployment } from "../../../../config/deployment.ts";
import type { Service } from "../../../../config/schema.ts";
import { wholeGib } from "../../../../text/units.ts";
import type { Running } from "../shared/running.ts";

/** Images are made on a disk of this size, in GiB. They are shared by all who have the same recipe, so nobody's own "disk" decides it. */
export const IMAGE_GIB = 10;

/** Of an instance of the service, in GiB. `imageGib` is what its image's disk has. */
export const diskOf = ({ machine }: Service, imageGib = IMAGE_GIB): number => Math.max(wholeGib(machine.disk), imageGib);

/** Which services get more than they ask for, on the images that they run or will run. */
export function diskNotes({ environment, services }: Deployment, running: Running = {}): string[] {
  return Object.entries(services).flatMap(([name, service]) => {
    const images = Object.values(running[name] ?? {}).map(({ imageGib }) => imageGib ?? IMAGE_GIB);
    const [asked, gets] = [wholeGib(service.machine.disk), diskOf(service, images.length > 0 ? Math.max(...images) : undefined)];
    if (service.container || gets === asked) return [];
    return [`the disk of service "${name}" in environment "${environment}" is ${gets}GB and not ${asked}GB: no disk is smaller than its image`];
  });
}
