// Removes all stacks of an environment, as a process of its own that can be killed. node remove-main.mjs CONFIG ENVIRONMENT
import { appIn } from "../../dist/config/app.js";
import { loadConfig } from "../../dist/config/load.js";
import { removeStacks } from "../../dist/targets/aws/cloudformation/remove.js";
import { observeEnvironment } from "../../dist/targets/aws/cloudformation/stand.js";
import { makeContext } from "../../dist/targets/aws/context.js";

const [file, environment] = process.argv.slice(2);
const { app, folder } = await loadConfig(file);
const context = makeContext({ app: appIn(app, environment), folder, emit: () => {} });
const stacks = await observeEnvironment(context.clients, { app: app.name, environment });
await removeStacks(context, [...stacks.values()]);
