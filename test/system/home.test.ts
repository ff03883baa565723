import { homedir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { findHome } from "../../src/system/home.ts";

afterEach(() => vi.restoreAllMocks());

it("is where LANDFALL_HOME says, made absolute", () => {
  expect(findHome({ LANDFALL_HOME: "/srv/state" })).toBe("/srv/state");
  expect(findHome({ LANDFALL_HOME: "state" })).toBe(join(process.cwd(), "state"));
});

it("is a place of the system for root", () => {
  vi.spyOn(process as { getuid: () => number }, "getuid").mockReturnValue(0);
  expect(findHome({ XDG_STATE_HOME: "/xdg", LANDFALL_HOME: "" })).toBe("/var/lib/landfall");
});

it.each([
  ["a quote", '/srv/"state'],
  ["what a shell reads", "/srv/$(state)"],
  ["a line break", "/srv/st\nate"],
  ["a file", import.meta.filename],
])("is not one whose name has or is %s", (_, home) => {
  expect(() => findHome({ LANDFALL_HOME: home })).toThrow(expect.objectContaining({ code: "STATE_UNWRITABLE" }));
});

describe("of another user", () => {
  const asUser = (env: NodeJS.ProcessEnv) => {
    vi.spyOn(process as { getuid: () => number }, "getuid").mockReturnValue(1000);
    return findHome(env);
  };

  it("follows XDG_STATE_HOME when it is absolute", () => {
    expect(asUser({ XDG_STATE_HOME: "/xdg" })).toBe("/xdg/landfall");
    for (const path of ["", "xdg"]) expect(asUser({ XDG_STATE_HOME: path })).toBe(join(homedir(), ".local/state/landfall"));
  });
});
