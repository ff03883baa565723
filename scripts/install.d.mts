export const root: string;
export function buildIfOlder(options: { strict: boolean }): void;
