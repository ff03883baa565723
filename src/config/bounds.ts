/** Of one service. */
export const INSTANCES_MAX = 1000;

/** `fixed`: as one number, which is not a bound that somebody has set. */
export interface Instances {
  min: number;
  max: number;
  fixed?: true;
}

/** How many instances may be asked for by hand. A plain number of the configuration is no bound; a range is. */
export const boundsOf = ({
  instances: { min, max, fixed },
  singleton,
}: {
  instances: Instances;
  singleton: boolean;
}): { least: number; most: number } => ({
  least: fixed ? 0 : min,
  most: singleton ? 1 : fixed ? INSTANCES_MAX : max,
});
