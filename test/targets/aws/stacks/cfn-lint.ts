// cfn-lint in a virtual environment of its own.
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

/** All findings of cfn-lint, over all files in one process. */
export function lint(files: string[]): { file: string; text: string }[] {
  // Not its own starter, which names the folder that it was installed in.
  const args = [
    "-c",
    "import sys; from cfnlint.runner import main; sys.exit(main())",
    "--non-zero-exit-code",
    "none",
    "--format",
    "json",
    "--regions",
    "eu-central-1",
    "--",
    ...files,
  ];
  const text = run(ensurePython(PACKAGES), args);
  return (JSON.parse(text || "[]") as Finding[]).map(({ Filename, Rule, Message, Location }) => ({
    file: Filename,
    text: `${Rule.Id} ${Location.Path?.join("/") ?? ""} ${Message}`,
  }));
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
