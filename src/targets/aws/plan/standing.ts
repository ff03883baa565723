// The stacks of an environment as they stand in the account, found by their tags.
import type { Stack } from "@aws-sdk/client-cloudformation";
import type { Context } from "../context.ts";
import type { StandingStack } from "./template.ts";

/** As CloudFormation takes this many calls a second without complaint. */
const AT_ONCE = 6;
/** Of these nothing stands: never made, rolled back when made, or gone. */
const EMPTY = ["REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_COMPLETE"];

export type ObservedStack = StandingStack & { state: string; id: string };

/** With their templates. The foundation, which the app's environments share, is among them. */
export async function loadStanding(context: Context): Promise<ObservedStack[]> {
  const cloudFormation = await context.clients.cloudFormation();
  const stacks = (await listStacks(context)).filter(({ StackStatus = "" }) => !EMPTY.includes(StackStatus));
  const loaded: ObservedStack[] = [];
  for (let from = 0; from < stacks.length; from += AT_ONCE)
    loaded.push(
      ...(await Promise.all(
        stacks.slice(from, from + AT_ONCE).map(async ({ StackName: name = "", StackId: id = "", StackStatus: state = "" }) => {
          const { TemplateBody: body = "{}" } = await cloudFormation.getTemplate({ StackName: name, TemplateStage: "Original" });
          return { name, id, state, body };
        }),
      )),
    );
  return loaded;
}

async function listStacks({ app: { app, name }, clients }: Context): Promise<Stack[]> {
  const cloudFormation = await clients.cloudFormation();
  const found: Stack[] = [];
  let NextToken: string | undefined;
  do {
    const page = await cloudFormation.describeStacks({ NextToken });
    found.push(...(page.Stacks ?? []).filter((stack) => isOurs(stack, app.name, name)));
    NextToken = page.NextToken;
  } while (NextToken);
  return found;
}

/** Tagged with the app, and with this environment or with none. */
function isOurs({ Tags = [] }: Stack, app: string, environment: string): boolean {
  const tag = (key: string) => Tags.find(({ Key }) => Key === key)?.Value;
  return tag("landfall:app") === app && (tag("landfall:environment") ?? environment) === environment;
}
