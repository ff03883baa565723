import { afterEach, expect, it, vi } from "vitest";
import { LandfallError } from "../../src/error.ts";
import { requireMachines } from "../../src/rehearse/root-filesystem.ts";

afterEach(() => vi.unstubAllEnvs());

it("says why no machine can be booted, before anything is changed", () => {
  vi.stubEnv("PATH", "");
  const refused = (() => {
    try {
      requireMachines();
    } catch (error) {
      return error as LandfallError;
    }
  })();
  expect(refused).toBeInstanceOf(LandfallError);
  expect(refused).toMatchObject({ code: "REHEARSAL_IMPOSSIBLE", exitCode: 2, parts: { standing: "Nothing was changed." } });
  const isRoot = process.platform === "linux" && process.getuid?.() === 0;
  expect(refused?.parts.why).toMatch(
    isRoot ? /^debootstrap, systemd-nspawn, ip, nsenter, setpriv are not on this machine$/ : /^it needs (Linux|root)/,
  );
  expect(refused?.parts.next).toBe(isRoot ? "apt-get install debootstrap systemd-container iproute2 util-linux" : undefined);
});
