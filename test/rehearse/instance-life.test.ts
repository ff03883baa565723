// An instance of a group, as its programs see it: what AWS takes in which state, and what it refuses.
import { describe, expect, it } from "vitest";
import type { AwsCall } from "../../src/rehearse/endpoints.ts";
import { fakeAws, makeAccount } from "../../src/rehearse/fake-aws.ts";
import { InstanceLife } from "../../src/rehearse/instance-life.ts";
import type { Subject } from "../../src/rehearse/metadata.ts";

const ID = "i-0123456789abcdef0";
const HOUR = 3_600_000;

function open() {
  const life = new InstanceLife();
  const subject = { instanceId: ID, tags: { "aws:autoscaling:groupName": "group" }, life } as unknown as Subject;
  const answer = fakeAws(makeAccount());
  const ask = async (action: string, input: Record<string, string>) =>
    answer({ service: "autoscaling", action, input, subject, headers: {} } as unknown as AwsCall);
  const act = async (action: string, hook: string, more: Record<string, string> = {}) => {
    const said = await ask(action, { InstanceId: ID, AutoScalingGroupName: "group", LifecycleHookName: hook, ...more });
    return said?.status === 200 ? "taken" : String(said?.body);
  };
  return {
    life,
    state: async () =>
      /<LifecycleState>(.*)<\/LifecycleState>/.exec(String((await ask("DescribeAutoScalingInstances", { "InstanceIds.member.1": ID }))?.body))?.[1],
    complete: (hook: string, more = {}) => act("CompleteLifecycleAction", hook, { LifecycleActionResult: "CONTINUE", ...more }),
    beat: (hook: string) => act("RecordLifecycleActionHeartbeat", hook),
  };
}

const REFUSED = /<Code>ValidationError<\/Code><Message>No active Lifecycle Action found with instance ID i-0123456789abcdef0</;

describe("an instance in its group", () => {
  it("comes into service once its launch hook has ended, which cannot be completed before it holds", async () => {
    const { life, state, complete, beat } = open();
    expect([life.target, await state()]).toEqual(["InService", "Pending"]);
    expect(await complete("boot")).toMatch(REFUSED);
    const launched = life.launch({ name: "boot", heartbeatMs: HOUR, defaultResult: "ABANDON" });
    expect([life.target, await state()]).toEqual(["InService", "Pending:Wait"]);
    expect(await complete("drain")).toMatch(REFUSED);
    expect(await beat("boot")).toBe("taken");
    expect(await complete("boot")).toBe("taken");
    expect(await complete("boot")).toMatch(REFUSED);
    expect(await launched).toBe(true);
    expect(await state()).toBe("InService");
  });

  it("is told of its end before the balancer has let go, and long before the hook", async () => {
    const { life, state, complete, beat } = open();
    await life.launch();
    let letGo = () => {};
    const ended = life.terminate(new Promise<void>((resolve) => (letGo = resolve)), { name: "drain", heartbeatMs: HOUR, defaultResult: "CONTINUE" });
    expect([life.target, await state()]).toEqual(["Terminated", "Terminating"]);
    expect(await complete("drain")).toMatch(REFUSED);
    expect(await beat("drain")).toMatch(REFUSED);
    letGo();
    await expect.poll(state).toBe("Terminating:Wait");
    expect(await complete("drain", { AutoScalingGroupName: "another" })).toMatch(REFUSED);
    expect(await complete("drain")).toBe("taken");
    expect(await ended).toBe(true);
    expect([life.target, await state()]).toEqual(["Terminated", "Terminating:Proceed"]);
  });

  it("goes on by the hook's default when nobody is heard of for its heartbeat", async () => {
    const abandoned = open();
    expect(await abandoned.life.launch({ name: "boot", heartbeatMs: 1, defaultResult: "ABANDON" })).toBe(false);
    expect(await abandoned.state()).toBe("Terminating");
    const cut = open();
    expect(await cut.life.terminate(Promise.resolve(), { name: "drain", heartbeatMs: 1, defaultResult: "CONTINUE" })).toBe(false);
    expect(await cut.complete("drain")).toMatch(REFUSED);
  });
});
