// Shell scripts of plain AWS commands that do what commission and decommission do. Pure.
import { quote } from "../../../text/shell.ts";
import type { StackTemplate } from "../templates/index.ts";
import { ZONE_LETTERS } from "../templates/shared/names.ts";

export interface ScriptInput {
  app: string;
  environment: string;
  region: string | undefined;
  account: string | undefined;
  /** In the order in which they are made. */
  stacks: readonly StackTemplate[];
}

export const templateFile = ({ name }: Pick<StackTemplate, "name">) => `templates/${name}.json`;

/** Makes or updates all stacks, one after the other. */
export const deployScript = (input: ScriptInput): string =>
  [
    ...head(input, "Makes or updates the environment. May be run again: stacks that are as wanted stay as they are."),
    "# The output of a stack that stands. Fails when it is not there, instead of passing on nothing.",
    "output() {",
    "  local value",
    `  value=$(aws cloudformation describe-stacks --stack-name "$1" --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue | [0]" --output text)`,
    '  if [ -z "$value" ] || [ "$value" = None ]; then',
    '    echo "stack $1 has no output $2" >&2',
    "    return 1",
    "  fi",
    '  printf "%s" "$value"',
    "}",
    "",
    "# The list that a stack takes of itself: its zones as they stand, and of one that is not there the first of the region.",
    "zones() {",
    "  local words",
    '  if words=$(output "$1" "$2" 2>&1); then',
    '    printf "%s" "$words"',
    '  elif [[ $words == *"does not exist"* ]]; then',
    "    aws ec2 describe-availability-zones --filters Name=zone-type,Values=availability-zone Name=state,Values=available \\",
    `      --query "join(',', sort(AvailabilityZones[].ZoneName)[:${ZONE_LETTERS.length}])" --output text`,
    "  else",
    '    echo "$words" >&2',
    "    return 1",
    "  fi",
    "}",
    "",
    "apply() {",
    "  local stack=$1 template=$2",
    "  shift 2",
    '  echo "== $stack"',
    '  aws cloudformation deploy --stack-name "$stack" --template-file "$template" --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset "$@"',
    "}",
    "",
    ...input.stacks.flatMap(applyLines),
    `echo ${quote(`${input.app} ${input.environment} is as its templates say`)}`,
    "",
  ].join("\n");

function applyLines(stack: StackTemplate): string[] {
  const variables = stack.parameters.map(
    ({ from }, index) => `value${index + 1}=$(${from.stack === stack.name ? "zones" : "output"} ${quote(from.stack)} ${quote(from.output)})`,
  );
  const parameters = stack.parameters.map(({ name }, index) => `"${name}=$value${index + 1}"`);
  const tags = Object.entries(stack.tags).map(([key, value]) => quote(`${key}=${value}`));
  return [
    ...variables,
    `apply ${quote(stack.name)} ${quote(templateFile(stack))} \\`,
    ...(parameters.length > 0 ? [`  --parameter-overrides ${parameters.join(" ")} \\`] : []),
    `  --tags ${tags.join(" ")}`,
    "",
  ];
}

/** Deletes the environment's own stacks, the last made first. The shared stack stays: other environments of the app may use it. */
export const removeScript = (input: ScriptInput): string =>
  [
    ...head(input, "Deletes the environment. Read “Remove it” in the runbook first: it says what blocks this, and what is kept."),
    `printf 'This deletes %s. Type its name to go on: ' ${quote(`${input.app} ${input.environment}`)}`,
    "read -r answer",
    `[ "$answer" = ${quote(input.environment)} ] || { echo 'nothing was deleted' >&2; exit 3; }`,
    "",
    "remove() {",
    '  echo "== $1"',
    '  aws cloudformation delete-stack --stack-name "$1"',
    '  aws cloudformation wait stack-delete-complete --stack-name "$1"',
    "}",
    "",
    ...[...input.stacks].reverse().flatMap(({ name, role }) => (role === "shared" ? [] : [`remove ${quote(name)}`])),
    "",
  ].join("\n");

function head({ region, account }: ScriptInput, about: string): string[] {
  return [
    "#!/usr/bin/env bash",
    `# ${about}`,
    "set -euo pipefail",
    'cd "$(dirname "$0")"',
    ...(region === undefined ? ['export AWS_REGION="${AWS_REGION:?say which region}"'] : [`export AWS_REGION=${quote(region)}`]),
    ...(account === undefined
      ? []
      : [
          "account=$(aws sts get-caller-identity --query Account --output text)",
          `[ "$account" = ${quote(account)} ] || { echo "these credentials are of account $account" >&2; exit 1; }`,
        ]),
    "",
  ];
}
