/** All of them come to their end, whatever one of them meets: nothing goes on behind the error of the first that failed. */
export async function settleAll(acts: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(acts)).find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}
