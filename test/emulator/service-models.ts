// What is recorded of calls and answers, against AWS's own models of its services (service_models.py).
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ensurePython } from "../python.ts";
import { PACKAGES } from "./emulator.ts";

/** Where AWS itself does not hold to its models. */
const ACCEPTED: [finding: RegExp, reason: string][] = [
  [
    /^answer cloudformation:DescribeStackEvents\S+\.ResourceStatus is none of its values: '(REVIEW_IN_PROGRESS|UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS)'$/,
    "events of a stack have the stack's own states, of which the model lacks some: ansible/ansible#26225, rackspace/runway#598",
  ],
  [
    /^answer ec2:DescribeInternetGateways\S+\.State is none of its values: 'available'$/,
    "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InternetGatewayAttachment.html: the state is available when attached to a VPC",
  ],
  [
    /^answer ec2:DescribeVpcEndpoints\S+\.State is none of its values: 'available'$/,
    "written small, as in aws/aws-cli, awscli/examples/ec2/describe-vpc-endpoints.rst",
  ],
  [
    /^answer ssm:GetCommandInvocation\.Execution(ElapsedTime|(Start|End)DateTime) does not fit /,
    "one pattern for dates, for durations (PT0.541S in awscli/examples/ssm/get-command-invocation.rst), and for what has not begun, which its page says is empty",
  ],
  [
    /^answer ssm:SendCommand\.Command\.OutputS3BucketName is under 3 characters$/,
    "empty where no bucket was named, as in awscli/examples/ssm/send-command.rst",
  ],
];

/** What is found in `lines`, a JSON text each, but for what is accepted: how often, by text. */
export function compareWithModels(lines: string[]): Record<string, number> {
  const program = fileURLToPath(new URL("service_models.py", import.meta.url));
  const { status, stdout, stderr } = spawnSync(ensurePython(PACKAGES), [program], {
    input: lines.join("\n"),
    encoding: "utf8",
    maxBuffer: 64 * 2 ** 20,
  });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
  const { checked, found } = JSON.parse(stdout) as { checked: number; found: Record<string, number> };
  if (checked !== lines.length) throw new Error(`of ${lines.length} recorded lines ${checked} were checked`);
  return Object.fromEntries(Object.entries(found).filter(([text]) => !ACCEPTED.some(([finding]) => finding.test(text))));
}
