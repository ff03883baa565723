// What people should know of CloudFormation's words: why something is slow, and what a failure mostly means. From AWS's own pages on
// each service; times are what AWS names or what is commonly seen.

const SLOW: Record<string, string> = {
  "AWS::AutoScaling::AutoScalingGroup": "it waits until its instances have started and said that they are healthy",
  "AWS::CertificateManager::Certificate": "a certificate waits until AWS sees the record that proves the name; mostly minutes, up to half an hour",
  "AWS::CloudFront::Distribution": "a distribution is copied to all edge locations, which takes 5 to 15 minutes",
  "AWS::EC2::NatGateway": "a NAT gateway takes 2 to 3 minutes",
  "AWS::ElastiCache::ReplicationGroup": "a cache takes 5 to 15 minutes: AWS starts its nodes one after the other",
  "AWS::ElasticLoadBalancingV2::LoadBalancer": "a load balancer takes 2 to 4 minutes",
  "AWS::RDS::DBInstance": "a database takes 5 to 15 minutes, with a standby up to 25: AWS makes its disk, starts it and takes a first backup",
  "AWS::WAFv2::WebACLAssociation": "a firewall's rules take a few minutes to reach the balancer",
};

/** Why making, changing or removing this type takes its time; undefined for what takes seconds. */
export const whySlow = (type: string): string | undefined => SLOW[type];

const MEANINGS: [pattern: RegExp, meaning: string][] = [
  [/not authorized|AccessDenied|UnauthorizedOperation|is not allowed/i, "Who acts lacks a permission; landfall iam prints what is needed."],
  [/limit|quota|maximum number|LimitExceeded/i, "The account has as many of these as AWS allows it; Service Quotas in the console raises that."],
  [
    /InsufficientInstanceCapacity|insufficient capacity|do not have sufficient/i,
    "AWS has none of this machine type left in that zone; name further types.",
  ],
  [
    /Received \d+ SUCCESS signal|Failed to receive \d+ resource signal|signal/i,
    "Instances started and never said that they are healthy: the app's own log says why.",
  ],
  [/already exists/i, "Something of that name stands outside this stack: left from an earlier attempt, or made by somebody else."],
  [
    /(domain|certificate|DNS).*(validat|pending)|CAA/i,
    "The name could not be proven: its zone is not the one that the internet asks, or a CAA record forbids Amazon.",
  ],
  [/does not exist|not found|^No hosted zone|NoSuch|InvalidAMIID/i, "Something that the configuration names is not in this account and region."],
  [/engine version|EngineVersion|Cannot find version/i, "AWS does not offer that version here; leave the patch version out."],
  [
    /InvalidParameterCombination|not supported|Unsupported/i,
    "AWS does not offer this combination in this region; another machine class mostly helps.",
  ],
  [/not empty|BucketNotEmpty/i, "Something was put into it meanwhile; the next run empties it again."],
  [/dependent object|DependencyViolation|has dependencies/i, "Something outside the stack still uses it."],
  [/deletion protection|protected DB|DeletionProtection/i, "The database is protected: set deletionProtection to false and commission first."],
  [/did not stabilize|timed out|exceeded max attempts|NotStabilized/i, "AWS did not finish it in its own time; trying again often helps."],
  [/Throttling|Rate exceeded/i, "The account makes too many calls at once; trying again later helps."],
  [/InternalFailure|Internal (error|failure)|ServiceUnavailable/i, "AWS itself failed; trying again helps."],
];

/** What a failure in CloudFormation's words mostly means. */
export const meaningOf = (reason: string): string | undefined => MEANINGS.find(([pattern]) => pattern.test(reason))?.[1];
