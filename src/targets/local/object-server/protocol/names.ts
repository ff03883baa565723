/** The region of queues and buckets here. In us-east-1 boto3 would sign URLs in a way of old, which S3 refuses for new buckets. */
export const REGION = "us-east-2";
/** The account that SQS URLs and ARNs carry here. */
export const ACCOUNT = "000000000000";
