// Prices of AWS by what is paid for. Two books have them: `prices/table.ts`, which is always there, and the account's Pricing API,
// which is asked when there are credentials. Both are read through this.

/**
 * What is paid for: `ec2:t4g.small` an hour of a machine, `rds:postgres:db.t4g.micro` an hour of a database in one zone, `nat:GB` a GB
 * through a NAT gateway. All in US dollars, on demand, without a free tier.
 */
export type PriceKey = string;

export interface Price {
  dollars: number;
  /** Why it is no more than a guess, if it is. */
  doubt?: string;
}

export interface Prices {
  /** Where they are from, and of which day. */
  source: string;
  find(key: PriceKey): Price | undefined;
}
