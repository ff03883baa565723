// What the machine that is the way out runs at every start: rules do not outlive one.

interface NatScriptInput {
  /** Of the addresses that it speaks for. */
  range: string;
  region: string;
  /** Of AWS's endpoints: `amazonaws.com`. */
  suffix: string;
  stack: string;
  /** Its own logical name. */
  resource: string;
}

/**
 * It goes on until it can do what it is for: at a first start Debian may be updating packages itself, and a way out without rules is none. Only then does it
 * tell CloudFormation, which leads routes to it no sooner, and says so when it waits in vain.
 */
export const natScript = (input: NatScriptInput): string => `#cloud-boothook
#!/bin/sh
set -eu
until command -v nft >/dev/null; do
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 install nftables; } || sleep 5
done
sysctl -qw net.ipv4.ip_forward=1
nft -f - <<'RULES'
table ip nat
flush table ip nat
table ip nat {
  chain out {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${input.range} ip daddr != ${input.range} masquerade
  }
}
RULES
python3 - <<'TELL'
${tellProgram(input)}TELL
`;

/**
 * A machine without a role proves by its identity document that it is of the stack, as AWS's own cfn-signal does (aws-cfn-bootstrap 1.4, "CFN_V1"). Outside a
 * change nobody waits for it, and the answer is a refusal.
 */
const tellProgram = ({
  region,
  suffix,
  stack,
  resource,
}: NatScriptInput): string => `import base64, json, time, urllib.error, urllib.parse, urllib.request

METADATA = "http://169.254.169.254/latest"


def ask(url, headers, method="GET"):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method), timeout=10) as answer:
        return answer.read().decode().rstrip()


def tell():
    token = {"X-aws-ec2-metadata-token": ask(METADATA + "/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT")}
    document = ask(METADATA + "/dynamic/instance-identity/document", token)
    signature = ask(METADATA + "/dynamic/instance-identity/signature", token).replace("\\n", "")
    query = urllib.parse.urlencode({
        "Action": "SignalResource", "Version": "2010-05-15", "ContentType": "JSON", "StackName": "${stack}",
        "LogicalResourceId": "${resource}", "UniqueId": json.loads(document)["instanceId"], "Status": "SUCCESS",
    })
    identity = base64.b64encode(document.encode()).decode() + ":" + signature
    ask("https://cloudformation.${region}.${suffix}/?" + query, {"Authorization": "CFN_V1 " + identity, "Accept": "application/json"})


for attempt in range(30):
    try:
        tell()
        break
    except urllib.error.HTTPError as refused:
        if refused.code == 400:
            break
        time.sleep(5)
    except OSError:
        time.sleep(5)
`;
