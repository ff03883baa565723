// A target is a table: each method of the contract beside what does it. What does it is loaded when it is asked for, so that a quick look at
// the status loads nothing of a deploy.

/** For each method, what makes it for one environment. */
export type OperationsTable<Context, Methods> = { readonly [Name in keyof Methods]: (context: Context) => Methods[Name] };

/** The methods of one environment. */
export const openTable = <Context, Methods>(table: OperationsTable<Context, Methods>, context: Context): Methods =>
  Object.fromEntries(Object.keys(table).map((name) => [name, table[name as keyof Methods](context)])) as Methods;

export type Load<Context, Options extends unknown[], Result> = () => Promise<(context: Context, ...options: Options) => Result>;

export const lazily =
  <Context, Options extends unknown[], Result>(load: Load<Context, Options, Result>) =>
  (context: Context) =>
  async (...options: Options): Promise<Awaited<Result>> =>
    await (await load())(context, ...options);

/** The same for what comes piece by piece. */
export const streamed =
  <Context, Options extends unknown[], Item>(load: Load<Context, Options, AsyncIterable<Item>>) =>
  (context: Context) =>
    async function* (...options: Options): AsyncGenerator<Item> {
      yield* (await load())(context, ...options);
    };

type Operation<Context, Options extends unknown[], Result> = (context: Context) => (...options: Options) => Promise<Result>;

/** `next` gets the result, and gives the one that is told. It begins when the first has ended, with its lease. */
export const followedBy =
  <Context, Options extends unknown[], Result, Told>(
    first: Operation<Context, Options, Result>,
    next: Operation<Context, NoInfer<[Result, ...Options]>, Told>,
  ): Operation<Context, Options, Told> =>
  (context) =>
  async (...options) =>
    next(context)(await first(context)(...options), ...options);
