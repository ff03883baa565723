// Where an instance stands in its group, as strictly as auto-scaling has it: a hook can be completed, or kept alive, only while it holds the
// instance, and when the group ends one its metadata service says so before the balancer has let go of it, and long before the hook begins.
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html

export type LifeState = "Pending" | "Pending:Wait" | "Pending:Proceed" | "InService" | "Terminating" | "Terminating:Wait" | "Terminating:Proceed";

type HookResult = "CONTINUE" | "ABANDON";

export interface Hook {
  name: string;
  /** Nobody has to be heard of for so long until the hook ends by itself. */
  heartbeatMs: number;
  /** How it ends then. */
  defaultResult: HookResult;
}

export interface HookEnd {
  result: HookResult;
  /** Whether the instance completed it. Else its time was over. */
  completed: boolean;
}

interface Held {
  name: string;
  beat(): void;
  end(how: HookEnd): void;
}

export class InstanceLife {
  state: LifeState = "Pending";
  #held: Held | undefined;

  /** What the metadata service tells. */
  get target(): "InService" | "Terminated" {
    return this.state.startsWith("Terminating") ? "Terminated" : "InService";
  }

  /** Whether it is in service then; else it was abandoned, and the group ends it. */
  async launch(hook?: Hook): Promise<boolean> {
    const abandoned = hook !== undefined && (await this.#hold(hook)).result === "ABANDON";
    this.state = abandoned ? "Terminating" : "InService";
    return !abandoned;
  }

  /** `letGo`: the balancer has let go of it. Resolves once the group switches it off: to whether the instance completed its hook. */
  async terminate(letGo: Promise<unknown>, hook?: Hook): Promise<boolean> {
    this.state = "Terminating";
    await letGo;
    const end = hook && (await this.#hold(hook));
    this.state = "Terminating:Proceed";
    return end?.completed ?? true;
  }

  /** The hook of the transition that is under way. Resolves at its end, from where the transition proceeds. */
  #hold({ name, heartbeatMs, defaultResult }: Hook): Promise<HookEnd> {
    const transition = this.target === "Terminated" ? "Terminating" : "Pending";
    this.state = `${transition}:Wait`;
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout;
      const end = (how: HookEnd) => {
        clearTimeout(timer);
        this.#held = undefined;
        this.state = `${transition}:Proceed`;
        resolve(how);
      };
      const beat = () => {
        clearTimeout(timer);
        timer = setTimeout(() => end({ result: defaultResult, completed: false }), heartbeatMs);
        timer.unref();
      };
      beat();
      this.#held = { name, beat, end };
    });
  }

  /** Whether there was such a hook to complete. */
  complete(name: string, result: HookResult): boolean {
    if (this.#held?.name !== name) return false;
    this.#held.end({ result, completed: true });
    return true;
  }

  /** Whether there was such a hook to keep alive. */
  beat(name: string): boolean {
    if (this.#held?.name !== name) return false;
    this.#held.beat();
    return true;
  }
}
