// cfn-lint in a virtual environment of its own.
import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { ensurePython, run } from "../../../python.ts";

export { hasPython } from "../../../python.ts";

/** All of them, so that the same versions run everywhere. */
const PACKAGES = [
  "cfn-lint==1.58.0",
  "jsonpatch==1.47",
  "jsonpointer==3.12",
  "mpmath==1.3.0",
  "networkx==3.6.1",
  "PyYAML==6.0.3",
  "regex==2026.11.15",
  "sympy==1.14.0",
  "typing_extensions==4.16.0",
];

/** All findings of cfn-lint: a process for each processor, as one takes long and uses no more. */
export async function lint(files: string[]): Promise<{ file: string; text: string }[]> {
  const python = ensurePython(PACKAGES);
  const shares = Array.from({ length: availableParallelism() }, (_, share) => files.filter((_, index) => index % availableParallelism() === share));
  const findings = await Promise.all(shares.filter((share) => share.length > 0).map((share) => lintShare(python, share)));
  return findings.flat().map(({ Filename, Rule, Message, Location }) => ({
    file: Filename,
    text: `${Rule.Id} ${Location.Path?.join("/") ?? ""} ${Message}`,
  }));
}

async function lintShare(python: string, files: string[]): Promise<Finding[]> {
  // Not its own starter, which names the folder that it was installed in.
  const program = "import sys; from cfnlint.runner import main; sys.exit(main())";
  const options = ["--non-zero-exit-code", "none", "--format", "json", "--regions", "eu-central-1"];
  const { stdout } = await promisify(execFile)(python, ["-c", program, ...options, "--", ...files], { maxBuffer: 256 * 2 ** 20 });
  return JSON.parse(stdout || "[]") as Finding[];
}

interface Finding {
  Filename: string;
  Message: string;
  Rule: { Id: string };
  Location: { Path?: (string | number)[] };
}

/** By type: the properties that replace a resource always, and those that do it sometimes, as AWS's schemas of resource types say. */
export function replacingProperties(types: string[]): Record<string, { always: string[]; sometimes: string[] }> {
  const program = [
    "import json, sys",
    "from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as schemas",
    "top = lambda paths: sorted({path.split('/')[2] for path in paths})",
    "schema = lambda name: schemas.get_resource_schema('eu-central-1', name).schema",
    "facts = lambda one: {'always': top(one.get('createOnlyProperties', [])), 'sometimes': top(one.get('conditionalCreateOnlyProperties', []))}",
    "print(json.dumps({name: facts(schema(name)) for name in sys.argv[1:]}))",
  ].join("\n");
  return JSON.parse(run(ensurePython(PACKAGES), ["-c", program, ...types]));
}

/** By type: every action that AWS's schema says the type's handlers call; of listing all of a type, which CloudFormation does not do, none. */
export function handlerActions(types: string[]): Record<string, string[]> {
  const program = [
    "import json, sys",
    "from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as schemas",
    "schema = lambda name: schemas.get_resource_schema('eu-central-1', name).schema",
    "handlers = lambda one: {action for kind, facts in one['handlers'].items() if kind != 'list' for action in facts['permissions']}",
    "tags = lambda one: set(one.get('tagging', {}).get('permissions', []))",
    "print(json.dumps({name: sorted(handlers(schema(name)) | tags(schema(name))) for name in sys.argv[1:]}))",
  ].join("\n");
  return JSON.parse(run(ensurePython(PACKAGES), ["-c", program, ...types]));
}

export interface HandlerFacts {
  /** The actions of each handler. */
  handlers: Partial<Record<"create" | "read" | "update" | "delete", string[]>>;
  /** Whether things of the type take the stack's tags. */
  isTaggable: boolean;
  /** Those that put tags on and take them away. */
  tagging: string[];
}

/** By type: what its handlers call, and whether the stack's tags get onto it, as AWS's schemas of resource types say. */
export function handlerFacts(types: string[]): Record<string, HandlerFacts> {
  const program = [
    "import json, sys",
    "from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as schemas",
    "schema = lambda name: schemas.get_resource_schema('eu-central-1', name).schema",
    "handlers = lambda one: {kind: facts['permissions'] for kind, facts in one['handlers'].items() if kind != 'list'}",
    "tags = lambda one: one.get('tagging', {})",
    "facts = lambda one: {'handlers': handlers(one), 'isTaggable': tags(one).get('taggable', False), 'tagging': tags(one).get('permissions', [])}",
    "print(json.dumps({name: facts(schema(name)) for name in sys.argv[1:]}))",
  ].join("\n");
  return JSON.parse(run(ensurePython(PACKAGES), ["-c", program, ...types]));
}
