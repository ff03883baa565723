/** Lets so many run at once; the others wait for their turn, in the order in which they came. */
export function makeTurns(atOnce: number): <T>(act: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (act) => {
    if (running >= atOnce) await new Promise<void>((resolve) => void waiting.push(resolve));
    else running++;
    try {
      return await act();
    } finally {
      // The place is handed on, so that nobody who comes now can take it first.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
