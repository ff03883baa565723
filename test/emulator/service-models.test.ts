// The comparison with AWS's models itself: each kind of mistake, planted in what is right, in each protocol.
import { describe, expect, it } from "vitest";
import { hasPython } from "../python.ts";
import { requires } from "../skips.ts";
import { compareWithModels } from "./service-models.ts";

interface Planted {
  service: string;
  method?: string;
  url?: string;
  headers?: Record<string, string>;
  body?: string;
  status?: number;
  answer?: string;
}

const base64 = (text = "") => Buffer.from(text).toString("base64");
const found = ({ service, method = "POST", url = "/", headers = {}, body, status = 200, answer }: Planted) => {
  const authorization = `AWS4-HMAC-SHA256 Credential=1/20260101/eu-central-1/${service}/aws4_request, Signature=0`;
  const exchange = { method, url, headers: { authorization, ...headers }, body: base64(body), status, answerHeaders: {}, answer: base64(answer) };
  return Object.keys(compareWithModels([JSON.stringify(exchange)]));
};

const EC2 = "Action=DescribeImages&Version=2016-11-15";
const IMAGES = (inner: string) => `<DescribeImagesResponse><requestId>1</requestId><imagesSet>${inner}</imagesSet></DescribeImagesResponse>`;
const STACKS = "Action=DescribeStacks&Version=2010-05-15";
const STACK = (inner: string) =>
  `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>a</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>${inner}</member></Stacks></DescribeStacksResult></DescribeStacksResponse>`;
const SSM = (action: string) => ({ service: "ssm", headers: { "x-amz-target": `AmazonSSM.${action}` }, answer: "{}" });
const S3 = { service: "s3", method: "PUT", url: "/bucket-of-ours?versioning" };

requires("python3 with venv", hasPython())("what is recorded, against AWS's models", () => {
  it.each<[string, Planted, string[]]>([
    [
      "a form of EC2",
      {
        service: "ec2",
        body: `${EC2}&Filter.1.Name=state&Filter.1.Value.1=available`,
        answer: IMAGES("<item><imageState>available</imageState></item>"),
      },
      [],
    ],
    [
      "a member that EC2 does not know",
      { service: "ec2", body: `${EC2}&Filters.1.Name=state`, answer: IMAGES("") },
      ["call ec2:DescribeImages.Filters is not known"],
    ],
    [
      "a value that is none of EC2's",
      { service: "ec2", body: EC2, answer: IMAGES("<item><imageState>ready</imageState></item>") },
      ["answer ec2:DescribeImages.Images[].State is none of its values: 'ready'"],
    ],
    ["a form", { service: "cloudformation", body: `${STACKS}&StackName=a`, answer: STACK("<StackStatus>CREATE_COMPLETE</StackStatus>") }, []],
    [
      "a length, and a member that is missing",
      { service: "cloudformation", body: `${STACKS}&NextToken=`, answer: STACK("") },
      ["call cloudformation:DescribeStacks.NextToken is under 1 characters", "answer cloudformation:DescribeStacks.Stacks[].StackStatus is missing"],
    ],
    [
      "another version",
      { service: "cloudformation", body: "Action=DescribeStacks&Version=2011-01-01", answer: STACK("<StackStatus>CREATE_COMPLETE</StackStatus>") },
      ["call cloudformation is of another version"],
    ],
    ["JSON", { ...SSM("GetParameter"), body: '{"Name":"/a","WithDecryption":true}' }, []],
    [
      "a type, and a member that JSON's service does not know",
      { ...SSM("GetParameter"), body: '{"Name":"/a","WithDecryption":"yes","Decrypt":1}' },
      ["call ssm:GetParameter.WithDecryption is no boolean", "call ssm:GetParameter.Decrypt is not known"],
    ],
    ["a range", { ...SSM("DescribeParameters"), body: '{"MaxResults":51}' }, ["call ssm:DescribeParameters.MaxResults is over 50"]],
    [
      "a pattern",
      { ...SSM("SendCommand"), body: '{"DocumentName":"a b"}' },
      [expect.stringMatching(/^call ssm:SendCommand\.DocumentName does not fit /)] as unknown as string[],
    ],
    ["an action that is none", { ...SSM("GetParametersOf"), body: "{}" }, ["call ssm:GetParametersOf is no operation"]],
    ["XML", { ...S3, body: "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>" }, []],
    [
      "XML with a value that is none, and a question that S3 does not know",
      { ...S3, url: `${S3.url}&fast`, body: "<VersioningConfiguration><Status>On</Status></VersioningConfiguration>" },
      ["call s3:PutBucketVersioning.Status is none of its values: 'On'", "call s3:PutBucketVersioning?fast is not known"],
    ],
    [
      "an error in the form of another protocol",
      { ...SSM("GetParameter"), body: '{"Name":"/a"}', status: 400, answer: "<Error/>" },
      ["answer ssm is no JSON: b'<Error/>'", "answer ssm:GetParameter is an error without a code: 400"],
    ],
  ])("%s", (_, planted, expected) => {
    expect(found(planted)).toEqual(expected);
  });

  describe("a command of a machine", () => {
    const command = (...words: string[]) =>
      Object.keys(compareWithModels([JSON.stringify(["--cli-connect-timeout", "5", "--output", "json", ...words])]));

    it("may say what AWS's own options are", () => {
      expect(command("elbv2", "describe-target-health", "--target-group-arn", "arn", "--targets", "Id=i-1,Port=80", "--query", "a")).toEqual([]);
      expect(
        command("autoscaling", "set-instance-health", "--instance-id", "i-1", "--health-status", "Unhealthy", "--no-should-respect-grace-period"),
      ).toEqual([]);
    });

    it("is told what is not known, missing, or none of its values", () => {
      expect(command("autoscaling", "set-health", "--instance-id", "i-1")).toEqual(["command autoscaling set-health is no operation"]);
      expect(command("autoscaling", "set-instance-health", "--instance-ids", "i-1", "--health-status", "Unhealthy")).toEqual([
        "command autoscaling set-instance-health --instance-ids is not known",
        "command autoscaling set-instance-health.InstanceId is missing",
      ]);
      expect(command("cloudwatch", "put-metric-data", "--namespace", "a", "--metric-data", '[{"MetricName":"a","Unit":"Parsec"}]')).toEqual([
        "command cloudwatch put-metric-data.MetricData[].Unit is none of its values: 'Parsec'",
      ]);
    });
  });
});
